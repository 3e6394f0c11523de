from typing import Any

import numpy as np
import pytest
import torch

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.capture import Captured, CaptureSpec
from xmas_assets.vlm.forward import capture
from xmas_assets.vlm.image_inputs import Unit
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.packing import n_shareable
from xmas_assets.vlm.probes import gives_the_same
from xmas_assets_tests.vlm.models import (
    IMAGE_ID,
    MULTI_TURN,
    PLAIN,
    TWO_IMAGES,
    draw_images,
    make_batch,
    make_rows,
    make_sequences,
    make_vlm,
)

LAYOUTS = (True, False)
EVERYTHING = CaptureSpec(
    attention="causal", block_outputs=(0, 2), hidden_states=(0, 2, 3), logits=True, lone_logits=True
)


@pytest.fixture(scope="module")
def vlm() -> Vlm:
    return make_vlm()


@pytest.fixture(scope="module")
def sequences() -> list[list[int]]:
    """Of every shape, two more questions on the first's image, one more on two images, and a text-only one."""
    shapes = make_sequences()
    more = [shapes[PLAIN][:-5] + [11, 12], shapes[PLAIN][:-2] + [13] * 20, shapes[TWO_IMAGES][:-3] + [9] * 8]
    return [*shapes.values(), *more, [1, 5, 6, 7, 8, 9, 10, 11]]


def see(vlm: Vlm, sequences: list[list[int]], spec: CaptureSpec = EVERYTHING, *, is_packed: bool) -> Captured:
    return capture(vlm, make_rows(sequences), spec, draw_images, is_packed=is_packed)


def plain_pass(vlm: Vlm, sequence: list[int]) -> Any:
    """The whole model on one unpadded sequence, its blocks' outputs caught."""
    blocks: list[torch.Tensor] = []
    attentions = [layer.self_attn for layer in vlm.model.get_decoder().layers]
    hooks = [module.register_forward_hook(lambda _m, _i, output: blocks.append(output[0][0])) for module in attentions]
    with torch.no_grad():
        output = vlm.model(**make_batch([sequence]), output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    return output, blocks


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_states_equal_those_of_the_whole_model_on_each_row_alone(vlm: Vlm, sequences: list[list[int]], is_packed: bool):
    seen = see(vlm, sequences, is_packed=is_packed)
    assert set(seen.hidden_states) == {0, 2, 3}
    assert set(seen.block_outputs) == {0, 2}
    for row, sequence in enumerate(sequences):
        output, blocks = plain_pass(vlm, sequence)
        n_tokens = len(sequence)
        for number, states in seen.hidden_states.items():
            torch.testing.assert_close(states[row, :n_tokens], output.hidden_states[number][0], rtol=1e-4, atol=1e-5)
            assert not states[row, n_tokens:].any()
        for layer, states in seen.block_outputs.items():
            torch.testing.assert_close(states[row, :n_tokens], blocks[layer], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_logits_are_those_that_predict_answer_tokens(vlm: Vlm, sequences: list[list[int]], is_packed: bool):
    rows = make_rows(sequences)
    logits = see(vlm, sequences, is_packed=is_packed).logits
    assert logits is not None
    for number, (row, sequence) in enumerate(zip(rows, sequences, strict=True)):
        answers = np.flatnonzero(row.is_answer)
        expected = plain_pass(vlm, sequence)[0].logits[0, answers - 1]
        is_target = logits.is_target[number]
        assert logits.targets[number][is_target].tolist() == row.input_ids[answers].tolist()
        torch.testing.assert_close(logits.values[number][is_target], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_lone_logits_are_those_of_the_answers_behind_the_first_token(
    vlm: Vlm, sequences: list[list[int]], is_packed: bool
):
    logits = see(vlm, sequences, CaptureSpec(lone_logits=True), is_packed=is_packed).lone_logits
    assert logits is not None
    for number, row in enumerate(make_rows(sequences)):
        answer = row.input_ids[row.is_answer].tolist()
        expected = plain_pass(vlm, [int(row.input_ids[0]), *answer])[0].logits[0, :-1]
        is_target = logits.is_target[number]
        assert logits.targets[number][is_target].tolist() == answer
        torch.testing.assert_close(logits.values[number][is_target], expected, rtol=1e-4, atol=1e-5)


def test_what_was_not_wanted_is_not_there(vlm: Vlm, sequences: list[list[int]]):
    seen = see(vlm, sequences, CaptureSpec(hidden_states=(1,)), is_packed=True)
    assert (seen.attention, seen.logits, seen.lone_logits, seen.block_outputs) == (None, None, None, {})
    assert list(seen.hidden_states) == [1]


class CountingLayers:
    """Counts the tokens that each decoder layer's feed-forward part sees, and those of the vocabulary layer."""

    def __init__(self, vlm: Vlm) -> None:
        self.tokens = [0, 0, 0]
        self.predicted = 0
        for number, layer in enumerate(vlm.model.get_decoder().layers):
            layer.mlp.register_forward_hook(lambda _m, _i, output, number=number: self._count(number, output))
        vlm.model.lm_head.register_forward_hook(self._predict)

    def _count(self, number: int, output: torch.Tensor) -> None:
        self.tokens[number] += output.shape[0] * output.shape[1]

    def _predict(self, _module: Any, _inputs: Any, output: torch.Tensor) -> None:
        self.predicted += output.shape[0] * output.shape[1]


@pytest.mark.parametrize(
    ("spec", "n_layers"),
    [
        (CaptureSpec(attention="causal"), 2),
        (CaptureSpec(attention="reference"), 2),
        (CaptureSpec(attention="causal", attention_layers=(0,)), 0),
        (CaptureSpec(block_outputs=(1,)), 1),
        (CaptureSpec(hidden_states=(1,)), 1),
        (CaptureSpec(hidden_states=(0,)), 0),
        (CaptureSpec(hidden_states=(3,)), 3),
        (CaptureSpec(logits=True), 3),
    ],
)
@pytest.mark.parametrize("is_packed", LAYOUTS)
def test_layers_behind_the_last_thing_wanted_do_not_run(spec: CaptureSpec, n_layers: int, is_packed: bool):
    vlm = make_vlm()
    counting = CountingLayers(vlm)
    see(vlm, list(make_sequences().values()), spec, is_packed=is_packed)
    assert [n_tokens > 0 for n_tokens in counting.tokens] == [True] * n_layers + [False] * (3 - n_layers)
    assert (counting.predicted > 0) == spec.logits


def test_a_common_beginning_is_computed_once_and_nothing_is_padded(sequences: list[list[int]]):
    vlm = make_vlm()
    counting = CountingLayers(vlm)
    see(vlm, sequences, CaptureSpec(hidden_states=(3,)), is_packed=True)
    rows = make_rows(sequences)
    shared = {(row.image_hashes, n_shareable(row)) for row in rows if row.images}
    own = sum(len(row.input_ids) - n_shareable(row) for row in rows)
    assert len(shared) == 4
    assert counting.tokens == [sum(n for _, n in shared) + own + len(sequences[-1])] * 3


def test_equal_words_on_other_images_are_not_shared(vlm: Vlm, sequences: list[list[int]]):
    first, second = make_rows([sequences[0], sequences[0]])
    second = type(second)(**{**vars(second), "units": (Unit(("another",), ("another",)),)})
    spec = CaptureSpec(hidden_states=(3,))
    together = capture(vlm, [first, second], spec, draw_images, is_packed=True).hidden_states[3]
    alone = capture(vlm, [second], spec, draw_images, is_packed=True).hidden_states[3]
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_what_else_is_wanted_changes_no_bit(vlm: Vlm, sequences: list[list[int]]):
    everything = see(vlm, sequences, is_packed=True)
    alone = see(vlm, sequences, CaptureSpec(attention="causal"), is_packed=True)
    assert everything.attention is not None
    assert alone.attention is not None
    assert torch.equal(everything.attention.layers["sum"], alone.attention.layers["sum"])
    hidden = see(vlm, sequences, CaptureSpec(hidden_states=(2,)), is_packed=True).hidden_states[2]
    assert torch.equal(everything.hidden_states[2], hidden)


def test_a_causal_model_can_be_packed(vlm: Vlm, sequences: list[list[int]]):
    assert gives_the_same(vlm, make_rows(sequences), draw_images, draw_images, is_packed=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_causal_model_with_an_outlier_channel_can_be_packed(sequences: list[list[int]], dtype: torch.dtype):
    vlm = make_vlm()
    vlm.model.get_decoder().norm.weight.data[0] = 30
    vlm.model.to(dtype)
    assert gives_the_same(vlm, make_rows(sequences), draw_images, draw_images, is_packed=True)


@pytest.mark.parametrize("outlier", [1, 30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_whose_image_tokens_see_the_question_cannot(
    sequences: list[list[int]], dtype: torch.dtype, outlier: float
):
    """Not even where one channel is much larger than all others, as in trained models."""
    vlm = make_vlm()
    decoder = vlm.model.get_decoder()
    decoder.norm.weight.data[0] = outlier
    vlm.model.to(dtype)
    plain = decoder.forward

    def see_all(*, attention_mask: torch.Tensor | None, **inputs: Any) -> Any:
        if attention_mask is not None:
            attention_mask = attention_mask[:, None, None, :].bool().expand(-1, 1, attention_mask.shape[1], -1)
        return plain(attention_mask=attention_mask, **inputs)

    decoder.forward = see_all
    assert not gives_the_same(vlm, make_rows(sequences), draw_images, draw_images, is_packed=True)


def test_a_state_that_is_not_finite_is_refused(sequences: list[list[int]]):
    vlm = make_vlm()
    vlm.model.get_decoder().layers[1].mlp.down_proj.weight.data[0, 0] = torch.inf
    with pytest.raises(ModelError, match="hidden state of random-model is NaN or infinite"):
        see(vlm, sequences, CaptureSpec(hidden_states=(2,)), is_packed=True)


def test_a_model_whose_image_token_is_number_zero_can_be_padded(sequences: list[list[int]]):
    vlm = make_vlm()
    vlm.model.config.image_token_id = 0
    rows = make_rows([[0 if token == IMAGE_ID else token for token in make_sequences()[MULTI_TURN]], sequences[-1]])
    rows = [type(row)(**{**vars(row), "is_image": row.input_ids == 0}) for row in rows]
    rows[0] = type(rows[0])(**{**vars(rows[0]), "units": (Unit(("a",), ("a",)),)})
    seen = capture(
        Vlm(vlm.model, None, 0, vlm.directory), rows, CaptureSpec(hidden_states=(3,)), draw_images, is_packed=False
    )
    assert seen.hidden_states[3].isfinite().all()
