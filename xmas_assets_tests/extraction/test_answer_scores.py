import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from xmas_assets.core.token_scores import aum, el2n
from xmas_assets.extraction.answer_scores import AnswerScores
from xmas_assets.vlm.capture import Captured, Logits
from xmas_assets_tests.extraction.captures import BOS, N_ANSWER_TOKENS, capture, make_model, sequences
from xmas_assets_tests.vlm.models import make_batch


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def captured(model) -> Captured:
    return capture(model, sequences())


def read(
    logits: list[list[list[float]]],
    targets: list[list[int]],
    is_target: list[list[bool]] | None = None,
    lone_logits: list[list[list[float]]] | None = None,
) -> dict[str, list[float]]:
    """Scores of logits written out; on their own, the answers have the same unless told otherwise."""
    chosen = torch.tensor(targets)
    given = torch.ones_like(chosen, dtype=torch.bool) if is_target is None else torch.tensor(is_target)
    made = Logits(torch.tensor(logits), chosen, given)
    alone = made if lone_logits is None else replace(made, values=torch.tensor(lone_logits))
    none = torch.zeros(0)
    scores = AnswerScores().read(Captured(none, none, none, none, logits=made, lone_logits=alone))
    return {name: values.tolist() for name, values in scores.items()}


def test_loss_and_perplexity_are_those_of_transformers_own_loss(model, captured: Captured):
    scores = AnswerScores().read(captured)
    for row, sequence in enumerate(sequences()):
        batch = make_batch([sequence])
        labels = batch["input_ids"].clone()
        labels[:, :-N_ANSWER_TOKENS] = -100
        with torch.inference_mode():
            expected = float(model(**batch, labels=labels).loss)
        assert scores["loss"][row] == pytest.approx(expected, rel=1e-5)
        assert scores["perplexity"][row] == pytest.approx(math.exp(expected), rel=1e-5)


@pytest.mark.parametrize(("name", "score"), [("el2n", el2n), ("aum", aum)])
def test_a_batch_has_the_scores_of_its_rows(captured: Captured, name: str, score):
    assert captured.logits is not None
    parts = zip(captured.logits.values.numpy(), captured.logits.targets.numpy(), strict=True)
    np.testing.assert_allclose(AnswerScores().read(captured)[name], [score(*part) for part in parts], rtol=1e-5)


def test_the_model_that_is_certain_and_right_has_no_loss_and_no_error_and_the_full_margin():
    scores = read([[[100.0, 0.0, 0.0]]], [[0]])
    assert {name: scores[name] for name in ("loss", "perplexity", "el2n", "aum")} == {
        "loss": [0],
        "perplexity": [1],
        "el2n": [0],
        "aum": [1],
    }


def test_the_model_that_is_certain_and_wrong_has_the_largest_error():
    scores = read([[[0.0, 50.0]]], [[0]])
    assert scores["el2n"] == [pytest.approx(math.sqrt(2))]
    assert scores["aum"] == [-1]
    assert scores["loss"] == [50]


def test_the_error_of_a_nearly_certain_model_keeps_its_digits():
    """The other word's probability is e^-20 to eight digits, and so are both components of the error."""
    assert read([[[20.0, 0.0]]], [[0]])["el2n"] == [pytest.approx(math.sqrt(2) * math.exp(-20), rel=1e-5)]


def test_scores_are_means_over_a_rows_own_tokens():
    """Even odds on the first token: loss ln 2; three to one on the second: ln 4/3. The third is padding."""
    logits = [[[0.0, 0.0], [math.log(3), 0.0], [float("nan"), 9.0]]]
    scores = read(logits, [[1, 0, 0]], [[True, True, False]])
    assert scores["loss"] == [pytest.approx((math.log(2) + math.log(4 / 3)) / 2)]
    assert scores["perplexity"] == [pytest.approx(math.sqrt(8 / 3))]
    assert scores["el2n"] == [pytest.approx((math.sqrt(0.5) + math.sqrt(2) / 4) / 2)]
    assert scores["aum"] == [pytest.approx((0 + 0.5) / 2)]


def test_a_row_without_answer_tokens_has_no_scores():
    scores = read([[[0.0, 1.0]], [[0.0, 1.0]]], [[1], [1]], [[True], [False]])
    assert all(math.isfinite(values[0]) and math.isnan(values[1]) for values in scores.values())


def test_ifd_is_the_loss_with_the_prompt_over_the_loss_without(model, captured: Captured):
    scores = AnswerScores().read(captured)
    for row, sequence in enumerate(sequences()):
        alone = torch.tensor([[BOS, *sequence[-N_ANSWER_TOKENS:]]])
        labels = alone.clone()
        labels[:, 0] = -100
        with torch.inference_mode():
            lone_loss = float(model(input_ids=alone, labels=labels).loss)
        assert scores["ifd"][row] == pytest.approx(scores["loss"][row] / lone_loss, rel=1e-5)


def test_ifd_of_a_model_that_ignores_the_prompt_is_1():
    """Without attention each token is predicted from the one before it, here the same with and without the prompt."""
    model = make_model()
    for layer in model.get_decoder().layers:
        layer.self_attn.o_proj.weight.data.zero_()
    prompts = [sequence[:-N_ANSWER_TOKENS] for sequence in sequences()]
    chosen = [[*prompt[:-1], BOS, 11 + row, 12, 13, 14, 15] for row, prompt in enumerate(prompts)]
    np.testing.assert_allclose(AnswerScores().read(capture(model, chosen))["ifd"], 1, rtol=1e-5)


def test_ifd_is_missing_where_the_answer_alone_costs_nothing():
    scores = read([[[0.0, 0.0]]], [[0]], lone_logits=[[[1000.0, 0.0]]])
    assert scores["loss"] == [pytest.approx(math.log(2))]
    assert math.isnan(scores["ifd"][0])
