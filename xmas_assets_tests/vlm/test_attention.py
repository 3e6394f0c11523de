from typing import Any

import numpy as np
import pytest
import torch
from transformers import MistralConfig, MistralModel

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.capture import CaptureSpec, Definition
from xmas_assets.vlm.forward import capture
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.probes import gives_the_same
from xmas_assets.vlm.spectra import leading_singular_values
from xmas_assets_tests.vlm.models import (
    IMAGE_ID,
    N_IMAGE_TOKENS,
    TWO_IMAGES,
    draw_images,
    make_batch,
    make_rows,
    make_sequences,
    make_vlm,
)

N_VALUES = 5
DEFINITIONS = ("causal", "reference")
LAYOUTS = (True, False)


def matrices(
    vlm: Vlm, sequences: list[list[int]], *, definition: Definition = "causal", is_packed: bool = True
) -> torch.Tensor:
    spec = CaptureSpec(attention=definition)
    attention = capture(vlm, make_rows(sequences), spec, draw_images, is_packed=is_packed).attention
    assert attention is not None
    return attention.layers["sum"]


def spectra(
    vlm: Vlm, sequences: list[list[int]], *, definition: Definition = "causal", is_packed: bool = True
) -> np.ndarray:
    found = matrices(vlm, sequences, definition=definition, is_packed=is_packed)
    return leading_singular_values(found, N_VALUES).float().numpy()


@pytest.fixture(scope="module")
def vlm() -> Vlm:
    return make_vlm()


@pytest.fixture(scope="module")
def sequences() -> list[list[int]]:
    return list(make_sequences().values())


def text_rows(sequence: list[int]) -> list[int]:
    first = sequence.index(IMAGE_ID)
    return [i for i, token in enumerate(sequence) if i > first and token != IMAGE_ID]


def image_columns(sequence: list[int]) -> list[int]:
    return [i for i, token in enumerate(sequence) if token == IMAGE_ID]


def eager_matrix(model: Any, sequence: list[int]) -> torch.Tensor:
    """Sum over layers of the mean over heads, from the full matrices that the eager implementation returns."""
    with torch.no_grad():
        layers = model(**make_batch([sequence]), output_attentions=True).attentions
    return torch.stack([layer[0].mean(0) for layer in layers]).sum(0)[text_rows(sequence)][:, image_columns(sequence)]


def published_matrix(model, sequence: list[int]) -> torch.Tensor:
    """The published arithmetic, spelled out for one unpadded sample in numpy."""
    layers = model.model.language_model.layers
    with torch.no_grad():
        states = model(**make_batch([sequence]), output_hidden_states=True).hidden_states
    total = np.zeros((len(sequence), len(sequence)))
    for layer, state in zip(layers, states, strict=False):
        with torch.no_grad():
            normed = layer.input_layernorm(state)
            queries = layer.self_attn.q_proj(normed)[0].double().numpy()
            keys = layer.self_attn.k_proj(normed)[0].double().numpy()
        keys = np.repeat(keys, queries.shape[1] // keys.shape[1], axis=1)
        weights = np.exp(keys @ queries.T / np.sqrt(queries.shape[1]))
        total += weights / weights.sum(1, keepdims=True)
    return torch.from_numpy(total[text_rows(sequence)][:, image_columns(sequence)])


@pytest.mark.parametrize("is_packed", LAYOUTS)
@pytest.mark.parametrize("n_key_heads", [4, 2, 1])
def test_causal_values_equal_those_of_output_attentions(n_key_heads: int, is_packed: bool, sequences: list[list[int]]):
    vlm = make_vlm(n_key_heads=n_key_heads)
    eager = make_vlm(n_key_heads=n_key_heads, attention="eager").model
    found = spectra(vlm, sequences, is_packed=is_packed)
    expected = [torch.linalg.svdvals(eager_matrix(eager, s).double())[:N_VALUES] for s in sequences]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4)


@pytest.mark.parametrize("is_packed", LAYOUTS)
@pytest.mark.parametrize("n_key_heads", [4, 2])
def test_reference_values_equal_the_published_arithmetic(n_key_heads: int, is_packed: bool, sequences: list[list[int]]):
    vlm = make_vlm(n_key_heads=n_key_heads)
    found = spectra(vlm, sequences, definition="reference", is_packed=is_packed)
    expected = [torch.linalg.svdvals(published_matrix(vlm.model, s))[:N_VALUES] for s in sequences]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4)


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_every_entry_equals_that_of_output_attentions(vlm: Vlm, is_packed: bool, sequences: list[list[int]]):
    eager = make_vlm(attention="eager").model
    found = matrices(vlm, sequences, is_packed=is_packed)
    for matrix, sequence in zip(found, sequences, strict=True):
        expected = eager_matrix(eager, sequence)
        n_rows, n_columns = expected.shape
        torch.testing.assert_close(matrix[:n_rows, :n_columns], expected, rtol=1e-4, atol=1e-6)
        assert not matrix[n_rows:].any()
        assert not matrix[:, n_columns:].any()


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_a_single_layer_is_given_on_request(vlm: Vlm, is_packed: bool, sequences: list[list[int]]):
    sequence = sequences[0]
    spec = CaptureSpec(attention="causal", attention_layers=(0, 1))
    attention = capture(vlm, make_rows([sequence]), spec, draw_images, is_packed=is_packed).attention
    with torch.no_grad():
        layers = make_vlm(attention="eager").model(**make_batch([sequence]), output_attentions=True).attentions
    assert attention is not None
    assert set(attention.layers) == {0, 1}
    for layer, found in attention.layers.items():
        expected = layers[layer][0].mean(0)[text_rows(sequence)][:, image_columns(sequence)]
        torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_every_column_bears_the_number_of_its_image_also_of_images_side_by_side(vlm: Vlm, is_packed: bool):
    image = [IMAGE_ID] * N_IMAGE_TOKENS
    rows = make_rows([[1, 5, *image, *image, 7, 8], [1, *image, 9, 9, 9], [1, 5, *image, 6, *image, 7]])
    attention = capture(vlm, rows, CaptureSpec(attention="causal"), draw_images, is_packed=is_packed).attention
    assert attention is not None
    found = [own[is_own].tolist() for own, is_own in zip(attention.image_numbers, attention.is_column, strict=True)]
    both = [0] * N_IMAGE_TOKENS + [1] * N_IMAGE_TOKENS
    assert found == [both, both[:N_IMAGE_TOKENS], both]


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_text_between_two_images_sees_the_first_and_not_the_second(vlm: Vlm, is_packed: bool):
    matrix = matrices(vlm, [make_sequences()[TWO_IMAGES]], is_packed=is_packed)[0]
    assert matrix.shape == (6 + 25, 2 * N_IMAGE_TOKENS)
    assert (matrix[:6, :N_IMAGE_TOKENS] > 0).all()
    assert (matrix[:6, N_IMAGE_TOKENS:] == 0).all()
    assert (matrix[6:] > 0).all()


@pytest.mark.parametrize("is_packed", LAYOUTS)
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_values_do_not_depend_on_batch_mates(vlm: Vlm, sequences: list[list[int]], definition, is_packed: bool):
    mates = [*sequences, sequences[0][:-4] + [9, 8, 7]]  # the last shares its beginning with the first
    together = spectra(vlm, mates, definition=definition, is_packed=is_packed)
    alone = [spectra(vlm, [mate], definition=definition, is_packed=is_packed)[0] for mate in mates]
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-5)


@pytest.mark.parametrize("is_packed", LAYOUTS)
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_reversing_a_batch_reverses_the_values(vlm: Vlm, sequences: list[list[int]], definition, is_packed: bool):
    forth = spectra(vlm, sequences, definition=definition, is_packed=is_packed)
    back = spectra(vlm, sequences[::-1], definition=definition, is_packed=is_packed)
    np.testing.assert_allclose(forth, back[::-1], rtol=1e-5)


@pytest.mark.parametrize("is_packed", LAYOUTS)
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_text_only_sample_gives_zeros_and_leaves_its_mates_alone(
    vlm: Vlm, sequences: list[list[int]], definition, is_packed: bool
):
    values = spectra(vlm, [[1, 5, 6, 7], sequences[0]], definition=definition, is_packed=is_packed)
    alone = spectra(vlm, [sequences[0]], definition=definition, is_packed=is_packed)
    assert values[0].tolist() == [0.0] * N_VALUES
    np.testing.assert_allclose(values[1:], alone, rtol=1e-5)


@pytest.mark.parametrize("is_packed", LAYOUTS)
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_batch_without_any_image_gives_zeros(vlm: Vlm, definition, is_packed: bool):
    values = spectra(vlm, [[1, 5, 6, 7], [1, 5]], definition=definition, is_packed=is_packed)
    assert values.tolist() == [[0.0] * N_VALUES] * 2


def test_an_image_that_nothing_follows_gives_zeros(vlm: Vlm):
    assert spectra(vlm, [[1, 5, *[IMAGE_ID] * N_IMAGE_TOKENS]]).tolist() == [[0.0] * N_VALUES]


def test_values_beyond_the_rank_are_zero(vlm: Vlm):
    values = spectra(vlm, [[1, *[IMAGE_ID] * N_IMAGE_TOKENS, 5, 6]])[0]
    assert (values[:2] > 0).all()
    assert values[2:].tolist() == [0.0] * 3


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_reading_leaves_the_model_as_it_was(vlm: Vlm, sequences: list[list[int]], is_packed: bool):
    batch = make_batch(sequences)
    with torch.no_grad():
        before = vlm.model(**batch).logits
        for definition in DEFINITIONS:
            matrices(vlm, sequences, definition=definition, is_packed=is_packed)
        after = vlm.model(**batch).logits
    assert torch.equal(before, after)
    assert vlm.model.get_decoder().config._attn_implementation == "sdpa"


def sliding_llamas() -> tuple[Vlm, Vlm]:
    """Twice the model with a window of 20 tokens, once for us, once eager."""
    vlms = make_vlm(), make_vlm(attention="eager")
    for vlm, attention in zip(vlms, ("sdpa", "eager"), strict=True):
        llama = vlm.model.model.language_model
        sizes = llama.config.to_diff_dict() | {"sliding_window": 20, "attn_implementation": attention}
        mistral = MistralModel(MistralConfig(**{k: v for k, v in sizes.items() if k != "model_type"})).eval()
        mistral.load_state_dict(llama.state_dict())
        vlm.model.model.language_model = mistral
    return vlms


def test_a_sliding_window_is_honoured(sequences: list[list[int]]):
    vlm, eager = sliding_llamas()
    found = spectra(vlm, sequences, is_packed=False)
    expected = [torch.linalg.svdvals(eager_matrix(eager.model, s).double())[:N_VALUES] for s in sequences]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4, atol=1e-6)
    assert not gives_the_same(vlm, make_rows(sequences), draw_images, draw_images, is_packed=True)


def test_a_decoder_that_is_not_causal_is_read_as_it_is(sequences: list[list[int]]):
    vlm, eager = make_vlm(), make_vlm(attention="eager").model
    for model in (vlm.model, eager):
        model.get_decoder().config.is_causal = False
    for batch in (sequences, sequences[:1]):
        found = spectra(vlm, batch, is_packed=False)
        expected = [torch.linalg.svdvals(eager_matrix(eager, s).double())[:N_VALUES] for s in batch]
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4)
    assert not gives_the_same(vlm, make_rows(sequences), draw_images, draw_images, is_packed=True)


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_weights_that_give_nan_are_refused_with_the_models_directory(sequences: list[list[int]], is_packed: bool):
    vlm = make_vlm()
    vlm.model.get_decoder().layers[0].self_attn.q_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(ModelError, match="attention of random-model is NaN or infinite"):
        matrices(vlm, sequences, is_packed=is_packed)


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_attention_that_hides_its_probabilities_is_refused(sequences: list[list[int]], is_packed: bool):
    vlm = make_vlm()
    for layer in vlm.model.get_decoder().layers:
        layer.self_attn.forward = lambda hidden_states, **_: (hidden_states, None)
    with pytest.raises(ModelError, match="cannot be read as 'causal'"):
        matrices(vlm, sequences, is_packed=is_packed)


@pytest.mark.parametrize("is_packed", LAYOUTS)
@pytest.mark.parametrize("argument", ["position_bias", "s_aux", "sinks"])
def test_a_form_of_attention_that_is_not_read_is_refused(sequences: list[list[int]], argument: str, is_packed: bool):
    vlm = make_vlm()
    layer = vlm.model.get_decoder().layers[0].self_attn
    plain = layer.forward
    layer.forward = lambda *inputs, **options: plain(*inputs, **options, **{argument: torch.ones(1)})
    with pytest.raises(ModelError, match=f"uses {argument} in attention"):
        matrices(vlm, sequences, is_packed=is_packed)
    assert vlm.model.get_decoder().config._attn_implementation == "sdpa"


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_bfloat16_comes_within_two_percent_of_float32(sequences: list[list[int]], is_packed: bool):
    exact, rough = make_vlm(), make_vlm()
    rough.model.to(torch.bfloat16)
    found = spectra(rough, sequences, is_packed=is_packed)
    np.testing.assert_allclose(found[:, 0], spectra(exact, sequences)[:, 0], rtol=0.02)
