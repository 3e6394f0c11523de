import numpy as np
import pytest
import torch
from transformers import MistralConfig, MistralModel

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.attention import cross_modal_matrices, cross_modal_spectra
from xmas_assets.vlm.loading import Vlm
from xmas_assets_tests.vlm.models import IMAGE_ID, N_IMAGE_TOKENS, TWO_IMAGES, make_batch, make_sequences, make_vlm

N_VALUES = 5
DEFINITIONS = ("causal", "reference")


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


def eager_matrix(model, sequence: list[int]) -> torch.Tensor:
    """Sum over layers of the mean over heads, from the full matrices that the eager implementation returns."""
    with torch.no_grad():
        layers = model(**make_batch([sequence]), output_attentions=True).attentions
    return sum(layer[0].mean(0) for layer in layers)[text_rows(sequence)][:, image_columns(sequence)]


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


@pytest.mark.parametrize("n_key_heads", [4, 2, 1])
def test_causal_values_equal_those_of_output_attentions(n_key_heads: int, sequences: list[list[int]]):
    vlm = make_vlm(n_key_heads=n_key_heads)
    eager = make_vlm(n_key_heads=n_key_heads, attention="eager").model
    found = cross_modal_spectra(vlm, make_batch(sequences), definition="causal", n_values=N_VALUES)
    expected = [torch.linalg.svdvals(eager_matrix(eager, s).double())[:N_VALUES] for s in sequences]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4)


@pytest.mark.parametrize("n_key_heads", [4, 2])
def test_reference_values_equal_the_published_arithmetic(n_key_heads: int, sequences: list[list[int]]):
    vlm = make_vlm(n_key_heads=n_key_heads)
    found = cross_modal_spectra(vlm, make_batch(sequences), definition="reference", n_values=N_VALUES)
    expected = [torch.linalg.svdvals(published_matrix(vlm.model, s))[:N_VALUES] for s in sequences]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4)


def test_every_entry_equals_that_of_output_attentions(vlm: Vlm, sequences: list[list[int]]):
    eager = make_vlm(attention="eager").model
    found = cross_modal_matrices(vlm, make_batch(sequences), definition="causal")
    for matrix, sequence in zip(found, sequences, strict=True):
        expected = eager_matrix(eager, sequence)
        n_rows, n_columns = expected.shape
        torch.testing.assert_close(matrix[:n_rows, :n_columns], expected, rtol=1e-4, atol=1e-6)
        assert not matrix[n_rows:].any()
        assert not matrix[:, n_columns:].any()


def test_text_between_two_images_sees_the_first_and_not_the_second(vlm: Vlm):
    batch = make_batch([make_sequences()[TWO_IMAGES]])
    matrix = cross_modal_matrices(vlm, batch, definition="causal")[0]
    assert matrix.shape == (6 + 25, 2 * N_IMAGE_TOKENS)
    assert (matrix[:6, :N_IMAGE_TOKENS] > 0).all()
    assert (matrix[:6, N_IMAGE_TOKENS:] == 0).all()
    assert (matrix[6:] > 0).all()


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_values_do_not_depend_on_batch_mates(vlm: Vlm, sequences: list[list[int]], definition):
    together = cross_modal_spectra(vlm, make_batch(sequences), definition=definition, n_values=N_VALUES)
    alone = [cross_modal_spectra(vlm, make_batch([s]), definition=definition, n_values=N_VALUES)[0] for s in sequences]
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-5)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_values_do_not_depend_on_the_amount_of_padding(vlm: Vlm, sequences: list[list[int]], definition):
    tight = cross_modal_spectra(vlm, make_batch(sequences), definition=definition, n_values=N_VALUES)
    loose = cross_modal_spectra(vlm, make_batch(sequences, extra=40), definition=definition, n_values=N_VALUES)
    np.testing.assert_allclose(tight, loose, rtol=1e-5)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_left_and_right_padding_give_the_same_bits(vlm: Vlm, sequences: list[list[int]], definition):
    right = cross_modal_spectra(vlm, make_batch(sequences), definition=definition, n_values=N_VALUES)
    left = cross_modal_spectra(vlm, make_batch(sequences, side="left"), definition=definition, n_values=N_VALUES)
    assert right.tobytes() == left.tobytes()


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_reversing_a_batch_reverses_the_values(vlm: Vlm, sequences: list[list[int]], definition):
    forth = cross_modal_spectra(vlm, make_batch(sequences), definition=definition, n_values=N_VALUES)
    back = cross_modal_spectra(vlm, make_batch(sequences[::-1]), definition=definition, n_values=N_VALUES)
    np.testing.assert_allclose(forth, back[::-1], rtol=1e-5)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_text_only_sample_gives_zeros_and_leaves_its_mates_alone(vlm: Vlm, sequences: list[list[int]], definition):
    mixed = [[1, 5, 6, 7], sequences[0]]
    values = cross_modal_spectra(vlm, make_batch(mixed), definition=definition, n_values=N_VALUES)
    alone = cross_modal_spectra(vlm, make_batch([sequences[0]]), definition=definition, n_values=N_VALUES)
    assert values[0].tolist() == [0.0] * N_VALUES
    np.testing.assert_allclose(values[1:], alone, rtol=1e-5)


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_batch_without_any_image_gives_zeros(vlm: Vlm, definition):
    values = cross_modal_spectra(vlm, make_batch([[1, 5, 6, 7], [1, 5]]), definition=definition, n_values=N_VALUES)
    assert values.tolist() == [[0.0] * N_VALUES] * 2


def test_values_beyond_the_rank_are_zero(vlm: Vlm):
    sequence = [1, *[IMAGE_ID] * N_IMAGE_TOKENS, 5, 6]
    values = cross_modal_spectra(vlm, make_batch([sequence]), definition="causal", n_values=N_VALUES)[0]
    assert (values[:2] > 0).all()
    assert values[2:].tolist() == [0.0] * 3


def test_values_are_float32_and_descending(vlm: Vlm, sequences: list[list[int]]):
    values = cross_modal_spectra(vlm, make_batch(sequences), definition="causal", n_values=N_VALUES)
    assert values.dtype == np.float32
    assert (np.diff(values, axis=1) <= 0).all()


def test_reading_leaves_the_model_as_it_was(vlm: Vlm, sequences: list[list[int]]):
    batch = make_batch(sequences)
    with torch.no_grad():
        before = vlm.model(**batch).logits
        for definition in DEFINITIONS:
            cross_modal_spectra(vlm, batch, definition=definition, n_values=N_VALUES)
        after = vlm.model(**batch).logits
    assert torch.equal(before, after)
    assert vlm.model.get_decoder().config._attn_implementation == "sdpa"


def test_a_sliding_window_is_honoured(sequences: list[list[int]]):
    vlm, eager = make_vlm(), make_vlm(attention="eager").model
    for model, attention in ((vlm.model, "sdpa"), (eager, "eager")):
        llama = model.model.language_model
        sizes = llama.config.to_diff_dict() | {"sliding_window": 20, "attn_implementation": attention}
        mistral = MistralModel(MistralConfig(**{k: v for k, v in sizes.items() if k != "model_type"})).eval()
        mistral.load_state_dict(llama.state_dict())
        model.model.language_model = mistral
    found = cross_modal_spectra(vlm, make_batch(sequences), definition="causal", n_values=N_VALUES)
    expected = [torch.linalg.svdvals(eager_matrix(eager, s).double())[:N_VALUES] for s in sequences]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4, atol=1e-6)


def test_a_decoder_that_is_not_causal_is_read_as_it_is(sequences: list[list[int]]):
    vlm, eager = make_vlm(), make_vlm(attention="eager").model
    for model in (vlm.model, eager):
        model.get_decoder().config.is_causal = False
    for batch in (sequences, sequences[:1]):
        found = cross_modal_spectra(vlm, make_batch(batch), definition="causal", n_values=N_VALUES)
        expected = [torch.linalg.svdvals(eager_matrix(eager, s).double())[:N_VALUES] for s in batch]
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4)


def test_weights_that_give_nan_are_refused_with_the_models_directory(sequences: list[list[int]]):
    vlm = make_vlm()
    vlm.model.get_decoder().layers[0].self_attn.q_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(ModelError, match="random-model is NaN or infinite"):
        cross_modal_spectra(vlm, make_batch(sequences), definition="causal", n_values=N_VALUES)


def test_attention_that_hides_its_probabilities_is_refused(sequences: list[list[int]]):
    vlm = make_vlm()
    for layer in vlm.model.get_decoder().layers:
        layer.self_attn.forward = lambda hidden_states, **_: (hidden_states, None)
    with pytest.raises(ModelError, match="cannot be read as 'causal'"):
        cross_modal_spectra(vlm, make_batch(sequences), definition="causal", n_values=N_VALUES)


@pytest.mark.parametrize("argument", ["softcap", "position_bias", "s_aux"])
def test_a_form_of_attention_that_is_not_read_is_refused(sequences: list[list[int]], argument: str):
    vlm = make_vlm()
    layer = vlm.model.get_decoder().layers[0].self_attn
    plain = layer.forward
    layer.forward = lambda *inputs, **options: plain(*inputs, **options, **{argument: torch.ones(1)})
    with pytest.raises(ModelError, match=f"uses {argument} in attention"):
        cross_modal_spectra(vlm, make_batch(sequences), definition="causal", n_values=N_VALUES)
    assert vlm.model.get_decoder().config._attn_implementation == "sdpa"


def test_bfloat16_comes_near_to_float32(sequences: list[list[int]]):
    exact = cross_modal_spectra(make_vlm(), make_batch(sequences), definition="causal", n_values=N_VALUES)
    rough = make_vlm()
    rough.model.to(torch.bfloat16)
    values = cross_modal_spectra(rough, make_batch(sequences), definition="causal", n_values=N_VALUES)
    np.testing.assert_allclose(values[:, 0], exact[:, 0], rtol=0.02)
