"""Sizes of published models against their layers, added up by hand."""

from transformers import LlavaConfig

from xmas_assets.training.model_sizes import model_sizes


def test_llava_7b_has_the_linear_weights_of_llama_7b_and_its_tower():
    """32 layers of 4 x 4096^2 + 3 x 4096 x 11008; CLIP-L/336 has 303.5 million, the projector 21.0."""
    sizes = model_sizes(LlavaConfig())
    assert sizes.language_parameters == 6_476_005_376
    assert sizes.adapter_sides == 32 * (8 * 4096 + 3 * (4096 + 11008))
    assert (sizes.n_layers, sizes.width) == (32, 4096)
    assert round(sizes.vision_parameters / 1e6, 1) == 324.5
