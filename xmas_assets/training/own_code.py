"""What a model's own code makes of a row, to hold ours against."""

from collections.abc import Sequence

import torch
from torch import Tensor

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.probes import draw_probe, probe_samples
from xmas_assets.vlm.prompts import Encoded, Encoder
from xmas_assets.vlm.vision_features import placed


def compare_with_processor(vlm: Vlm, rows: Sequence[Encoded], encoder: Encoder) -> None:
    """Hold the rows of ``probe_samples`` against one call of the processor each.

    Raises:
        ModelError: If one differs.
    """
    for row, sample in zip(rows, probe_samples(), strict=True):
        images = [[draw_probe(name, name) for name in sample.images]] if sample.images else None
        text = encoder.template.render(sample.turns).text
        made = vlm.processor(text=[text], images=images, add_special_tokens=False, return_tensors="pt")
        expected, found = made["input_ids"][0].tolist(), row.input_ids.tolist()
        if found[-len(expected) :] != expected or len(found) > len(expected) + 1:  # one more is the begin token
            raise ModelError(f"a row of {len(found)} tokens is not what its processor makes of it ({len(expected)})")


@torch.inference_mode()
def eager_attention(vlm: Vlm, row: Encoded, pictures: Pictures) -> Tensor:
    """The model's own attention, mean over heads, shape (n_layers, n_tokens, n_tokens)."""
    inputs = placed(collate([row], pictures, pad_id=0, padding_side="right"), vlm.model)
    config = vlm.model.config
    parts = {name: getattr(config, name) for name in config.sub_configs if getattr(config, name) is not None}
    before = {name: part._attn_implementation for name, part in parts.items()} | {"": config._attn_implementation}
    vlm.model.set_attn_implementation("eager")
    try:
        features = {name: value for name, value in inputs.items() if name != "labels"}
        layers = vlm.model.base_model(**features, use_cache=False, output_attentions=True).attentions
    finally:
        vlm.model.set_attn_implementation(before)
    return torch.stack([layer[0].float().mean(0) for layer in layers if layer is not None])
