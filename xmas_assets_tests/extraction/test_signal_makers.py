"""What holds for every signal that the catalogue makes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig

from xmas_assets.contracts.settings import Settings
from xmas_assets.contracts.signal_settings import AttentionMapSettings, SignalSettings
from xmas_assets.contracts.signals import READ_IN_ONE_PASS, SIGNALS
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.vlm import forward
from xmas_assets.vlm.capture import Captured
from xmas_assets_tests.extraction.captures import DEPTH, WIDTH, capture, make_model, sequences
from xmas_assets_tests.vlm.models import draw_images, make_rows, make_vlm

CONFIG = LlamaConfig(num_hidden_layers=DEPTH, hidden_size=WIDTH)
ALL = list(READ_IN_ONE_PASS)
NAMES = pytest.mark.parametrize("name", ALL)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def captured(model) -> Captured:
    return capture(model, sequences())


def read(name: str, captured: Captured) -> dict[str, np.ndarray]:
    (signal,) = make_signals([name], Settings())
    return dict(signal.read(captured.only(signal.capture_spec(CONFIG))))


@NAMES
def test_values_have_the_shapes_that_are_announced(name: str, captured: Captured):
    (signal,) = make_signals([name], Settings())
    assert signal.name == name
    values = signal.read(captured.only(signal.capture_spec(CONFIG)))
    announced = {column: (len(sequences()), *shape) for column, shape in signal.columns(CONFIG).items()}
    assert {column: array.shape for column, array in values.items()} == announced
    assert {array.dtype for array in values.values()} == {np.dtype(np.float32)}


@NAMES
def test_only_rows_without_an_image_may_lack_a_value(name: str, captured: Captured):
    (signal,) = make_signals([name], Settings())
    has_image = captured.is_image.any(1).numpy()
    for values in read(name, captured).values():
        is_missing = np.isnan(values.reshape(len(values), -1)).any(1)
        assert is_missing.tolist() == (~has_image & signal.needs_image).tolist()


@NAMES
def test_values_do_not_depend_on_batch_mates_and_order(name: str, model, captured: Captured):
    together = read(name, captured)
    for row, sequence in enumerate(sequences()):
        for column, alone in read(name, capture(model, [sequence])).items():
            np.testing.assert_allclose(together[column][[row]], alone, rtol=1e-4, atol=1e-6)
    for column, values in read(name, capture(model, sequences()[::-1])).items():
        np.testing.assert_allclose(values[::-1], together[column], rtol=1e-4, atol=1e-6)


@NAMES
@pytest.mark.parametrize("is_packed", [False, True])
def test_values_from_our_engine_are_those_of_transformers_outputs(name: str, is_packed: bool, captured: Captured):
    (signal,) = make_signals([name], Settings())
    is_answer = captured.is_answer.numpy()
    rows = [
        replace(row, is_answer=answer[: len(row.input_ids)])
        for row, answer in zip(make_rows(sequences()), is_answer, strict=True)
    ]
    seen = forward.capture(make_vlm(), rows, signal.capture_spec(CONFIG), draw_images, is_packed=is_packed)
    for column, values in signal.read(seen).items():
        np.testing.assert_allclose(values, read(name, captured)[column], rtol=1e-3, atol=1e-5)


@NAMES
def test_nothing_is_read_at_padding(name: str, captured: Captured):
    def spoil(values: Tensor, is_own: Tensor) -> Tensor:
        return values.masked_fill(~is_own[:, :, None], torch.nan)

    assert captured.logits is not None
    spoiled = replace(
        captured,
        block_outputs={layer: spoil(values, captured.is_real) for layer, values in captured.block_outputs.items()},
        hidden_states={number: spoil(values, captured.is_real) for number, values in captured.hidden_states.items()},
        logits=replace(captured.logits, values=spoil(captured.logits.values, captured.logits.is_target)),
    )
    for column, values in read(name, spoiled).items():
        np.testing.assert_array_equal(values, read(name, captured)[column])


@NAMES
def test_a_model_in_bfloat16_gives_finite_float32(name: str, captured: Captured):
    halved = replace(
        captured,
        block_outputs={layer: values.bfloat16() for layer, values in captured.block_outputs.items()},
        hidden_states={number: values.bfloat16() for number, values in captured.hidden_states.items()},
    )
    for column, values in read(name, halved).items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, read(name, captured)[column], rtol=0.05, atol=0.02)


@NAMES
def test_the_methods_catalogue_names_columns_that_the_signal_makes(name: str):
    sources = {source.column for source in SIGNALS.values() if (source.asset, source.table) == (name, name)}
    (signal,) = make_signals([name], Settings())
    assert sources
    assert sources <= set(signal.columns(CONFIG))


def test_equal_settings_make_equal_signals_that_look_alike_and_others_do_not():
    maps = SignalSettings(attention_maps=AttentionMapSettings(seed=1))
    one, same, other = (make_signals(ALL, settings) for settings in (Settings(), Settings(), Settings(signals=maps)))
    assert (one, repr(one)) == (same, repr(same))
    assert [name for name, a, b in zip(ALL, one, other, strict=True) if repr(a) != repr(b)] == ["attention_maps"]
