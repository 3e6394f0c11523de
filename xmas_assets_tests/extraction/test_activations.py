from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from transformers import LlamaConfig

from xmas_assets.contracts.signal_settings import AttendedFeatureSettings, BlockActivationSettings
from xmas_assets.extraction.activations import (
    AttendedFeatures,
    BlockActivations,
    PooledFeatures,
    TokenSpectra,
    hold_share,
)
from xmas_assets.vlm.capture import Attention, Captured
from xmas_assets_tests.extraction.captures import WIDTH, capture, make_model, marks, sequences
from xmas_assets_tests.vlm.models import make_batch

TEXT_ONLY = 4  # the place of the sequence without an image
CONFIG = LlamaConfig(num_hidden_layers=3, hidden_size=WIDTH)
BLOCKS = BlockActivations(BlockActivationSettings(n_layers=2))
ATTENDED = AttendedFeatures(AttendedFeatureSettings(attention_share=0.9))


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def captured(model) -> Captured:
    return capture(model, sequences())


@pytest.fixture(scope="module")
def alone(model) -> list:
    """What transformers gives for each sequence alone."""
    with torch.inference_mode():
        return [
            model(**make_batch([sequence]), output_hidden_states=True, output_attentions=True)
            for sequence in sequences()
        ]


@pytest.mark.parametrize(
    ("count", "n_layers", "places"),
    [(5, 24, (3, 7, 11, 15, 19)), (5, 12, (1, 3, 5, 7, 9)), (5, 3, (0, 1, 2)), (1, 4, (1,)), (2, 3, (0, 1))],
)
def test_blocks_are_evenly_spaced_in_the_stack(count: int, n_layers: int, places: tuple[int, ...]):
    """Of 24 layers the paper's 4, 8, 12, 16, 20, counted from 1; here from 0."""
    signal = BlockActivations(BlockActivationSettings(n_layers=count))
    config = LlamaConfig(num_hidden_layers=n_layers, hidden_size=64)
    assert signal.capture_spec(config).block_outputs == places
    assert signal.columns(config) == {"values": (len(places), 2, 64)}


def test_block_activations_are_those_of_hooks_on_the_model(model, captured: Captured):
    found = BLOCKS.read(captured.only(BLOCKS.capture_spec(CONFIG)))["values"]
    for row, sequence in enumerate(sequences()):
        outputs: list[np.ndarray] = []
        modules = [model.get_decoder().layers[layer].self_attn.o_proj for layer in (0, 1)]
        hooks = [module.register_forward_hook(partial(_keep, outputs)) for module in modules]
        with torch.inference_mode():
            model(**make_batch([sequence]))
        for hook in hooks:
            hook.remove()
        is_image = np.array(sequence) == 3
        is_text = ~is_image & (is_image.cumsum() > 0) if is_image.any() else ~is_image
        for layer, output in enumerate(outputs):
            for part, chosen in enumerate((is_image, is_text)):
                pooled = np.tanh(output[chosen].mean(0)) if chosen.any() else np.zeros(WIDTH)
                length = np.linalg.norm(pooled) if chosen.any() else 1
                np.testing.assert_allclose(found[row, layer, part], pooled / length / 2, rtol=1e-4, atol=1e-6)


def _keep(outputs: list[np.ndarray], _module: object, _inputs: object, output: torch.Tensor) -> None:
    outputs.append(output[0].numpy())


def test_block_activations_of_a_text_only_row_have_no_image_half(captured: Captured):
    values = BLOCKS.read(captured.only(BLOCKS.capture_spec(CONFIG)))["values"][TEXT_ONLY]
    assert not values[:, 0].any()
    assert np.linalg.norm(values) == pytest.approx(1 / np.sqrt(2))


def test_pooled_features_are_the_mean_of_the_last_hidden_state(captured: Captured, alone: list):
    found = PooledFeatures().read(captured.only(PooledFeatures().capture_spec(CONFIG)))["pooled"]
    expected = [output.hidden_states[-1][0].mean(0).numpy() for output in alone]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_token_spectra_are_those_of_the_second_to_last_layer(captured: Captured, alone: list):
    found = TokenSpectra().read(captured.only(TokenSpectra().capture_spec(CONFIG)))
    for row, output in enumerate(alone):
        tokens = output.hidden_states[-2][0].numpy()
        values = np.linalg.svd(tokens.astype(np.float64), compute_uv=False)
        assert found["entropy"][row] == pytest.approx(entropy(values), rel=1e-4)
        assert found["leading_share"][row] == pytest.approx(values[0] / values.sum(), rel=1e-4)
        np.testing.assert_allclose(found["last_token"][row], tokens[-1], rtol=1e-4, atol=1e-6)


def test_orthogonal_tokens_of_one_length_fill_as_many_directions_as_they_are():
    """Three unit tokens: three singular values of 1, so ln 3 and 1/3. Two equal ones fill one direction."""
    tokens = torch.stack([torch.eye(3, 5), torch.eye(3, 5)[[1, 1, 2]]])
    is_real = torch.tensor([[True, True, True], [True, True, False]])
    none = torch.zeros(2, 3, dtype=torch.bool)
    found = TokenSpectra().read(Captured(none.long(), is_real, none, none, hidden_states={2: tokens}))
    np.testing.assert_allclose(found["entropy"], [np.log(3), 0], atol=1e-6)
    np.testing.assert_allclose(found["leading_share"], [1 / 3, 1], rtol=1e-6)
    np.testing.assert_array_equal(found["last_token"], tokens[[0, 1], [2, 1]].numpy())


def test_attended_features_are_those_of_the_tokens_that_the_instruction_looks_at(captured: Captured, alone: list):
    found = ATTENDED.read(captured.only(ATTENDED.capture_spec(CONFIG)))["features"]
    assert np.isnan(found[TEXT_ONLY]).all()
    n_kept = []
    for row, output in enumerate(alone[:TEXT_ONLY]):
        is_image = np.array(sequences()[row]) == 3
        is_answer = marks([sequences()[row]])[2][0].numpy()
        attention = output.attentions[0][0].mean(0).numpy()
        weights = attention[~is_image & ~is_answer][:, is_image].mean(0)  # text before the image attends to none of it
        order = np.argsort(-weights)
        n_needed = np.flatnonzero(np.cumsum(weights[order]) > 0.9 * weights.sum())[0] + 1
        chosen = np.flatnonzero(is_image)[order[:n_needed]]
        n_kept.append(len(chosen) / is_image.sum())
        np.testing.assert_allclose(found[row], output.hidden_states[1][0][chosen].mean(0), rtol=1e-4, atol=1e-6)
    assert max(n_kept) < 0.9  # the choice matters


def handmade(weights: list[float], n_answer: int) -> Captured:
    """Tokens 0, 1, 2 of an image with features 1, 10, 100, then one instruction token and answers, all alike."""
    n_rows = n_answer + 1
    rows, columns = torch.arange(3, 3 + n_rows)[None], torch.arange(3)[None]
    cut = torch.tensor(weights).expand(1, n_rows, 3).clone()
    cut[:, 1:] = torch.tensor([1.0, 0, 0])  # what answers look at, which must not matter
    places = torch.arange(3 + n_rows)[None]
    attention = Attention({0: cut}, rows, rows > 0, columns, columns >= 0, torch.zeros_like(columns), [((),)])
    hidden = torch.tensor([1.0, 10, 100] + [7.0] * n_rows).view(1, -1, 1)
    return Captured(places, places >= 0, places < 3, places > 3, attention=attention, hidden_states={1: hidden})


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([0.0, 0.1, 0.9], 55),  # 0.9 is not more than the share, so the next one is needed too
        ([0.0, 0.05, 0.95], 100),
        ([0.2, 0.2, 0.2], 37),
        ([0.0, 0.0, 0.0], 37),
    ],
)
def test_as_few_image_tokens_as_exceed_the_share_are_averaged(weights: list[float], expected: float):
    signal = AttendedFeatures(AttendedFeatureSettings(attention_share=0.9))
    found = signal.read(handmade(weights, n_answer=2))["features"]
    np.testing.assert_allclose(found, [[expected]], rtol=1e-6)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.75, [[0, 1, 3], [0, 1, 2, 3]]),  # .5 + .25 = .75 is not more than .75, so .125 is needed too
        (0.7, [[1, 3], [0, 1, 2]]),  # without any weight a row's own columns count alike: 3 of 4 are more than .7
    ],
)
def test_columns_are_kept_up_to_the_first_that_exceeds_the_share(share: float, expected: list[list[int]]):
    """The last column is no row's own, and of two equal ones the first comes first."""
    weights = torch.tensor([[0.125, 0.5, 0.125, 0.25, 0.0], [0.0] * 5], dtype=torch.float64)
    is_column = torch.tensor([[True] * 4 + [False]] * 2)
    kept = [torch.nonzero(row).ravel().tolist() for row in hold_share(weights, is_column, share)]
    assert kept == expected
