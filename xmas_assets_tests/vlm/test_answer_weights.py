"""Weights of answers, token by token, against the marks that the tokenizer's own chat template sets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from xmas_assets.contracts.samples import Reason, Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.toy.model import build_processor
from xmas_assets.vlm.batches import collate_text
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.probes import draw_probe
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id
from xmas_assets_tests.families.gemma import build_paligemma

PROCESSOR = build_processor()
PICTURES = Pictures(PROCESSOR, lambda name, _: Image.new("RGB", (70, 40), name))
TURNS = tuple(
    Turn("assistant" if number % 2 else "user", text)
    for number, text in enumerate(["is it red?", "yes", "how many?", "two circles", "and blue?", "no"])
)


def encoder(max_tokens: int = 2048) -> Encoder:
    return Encoder(PROCESSOR, PICTURES, image_token_id=PROCESSOR.image_token_id, max_tokens=max_tokens)


def sample(*weights: float, image: bool = False, name: str = "s") -> Sample:
    turns = (TURNS[0]._replace(text="<image>\nis it red?"), *TURNS[1:]) if image else TURNS
    return Sample(name, turns, ("red",) * image, ("hash",) * image, loss_weights=weights)


def one(row: Sample) -> Encoded:
    (encoded,), left_out = encoder().encode([row])
    assert not left_out
    return encoded


def by_transformers(*weights: float) -> tuple[list[int], list[float]]:
    """Ids, and of each token the weight of the turn it is an answer of: the runs of the template's own marks."""
    made = PROCESSOR.tokenizer.apply_chat_template(
        [{"role": turn.role, "content": turn.text} for turn in TURNS],
        chat_template=PROCESSOR.chat_template,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    marks = np.array([0, *made["assistant_masks"]])  # behind the begin token
    turn = np.cumsum(np.diff(marks, prepend=0) == 1)
    return made["input_ids"], (np.array([0.0, *weights])[turn] * marks).tolist()


@pytest.mark.parametrize(
    "weights", [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (0.0, 0.0, 1.0), (0.5, 1.0, 2.0), (3.0, 0.0, 0.25), (2.0, 2.0, 2.0)]
)
def test_every_token_has_the_weight_of_its_turn(weights):
    row, (ids, expected) = one(sample(*weights)), by_transformers(*weights)
    own = row.is_answer.astype(np.float32) if row.loss_weights is None else row.loss_weights
    assert row.input_ids[1:].tolist() == ids
    assert own.tolist() == expected
    assert row.labels.tolist() == [
        -100 if weight == 0 else token for token, weight in zip(row.input_ids.tolist(), expected, strict=True)
    ]


@pytest.mark.parametrize("image", [False, True])
def test_a_turn_of_weight_zero_is_read_as_any_other_and_nothing_of_it_is_learned(image):
    plain, flagged = one(sample(image=image)), one(sample(0.0, 1.0, 1.0, image=image))
    first = np.flatnonzero(plain.is_answer)[:2]  # "yes" and its end
    context = plain.is_answer.copy()
    context[first] = False
    assert flagged.loss_weights is None
    assert flagged.is_answer.tolist() == context.tolist()
    assert flagged.input_ids.tolist() == plain.input_ids.tolist()
    assert flagged.is_image.tolist() == plain.is_image.tolist()
    assert (flagged.units, flagged.n_image_tokens) == (plain.units, plain.n_image_tokens)


def test_weights_of_one_are_as_if_none_were_given():
    plain, flagged = one(sample()), one(sample(1.0, 1.0, 1.0))
    assert flagged.loss_weights is None
    assert flagged.labels.tolist() == plain.labels.tolist()


def test_a_row_cut_before_its_first_answer_of_weight_is_left_out():
    n_first = np.flatnonzero(one(sample()).is_answer)[2]
    kept, left_out = encoder(int(n_first)).encode([sample(name="plain"), sample(0.0, 1.0, 1.0, name="flagged")])
    assert [row.sample_id for row in kept] == ["plain"]
    assert left_out == {"flagged": Reason.TOO_LONG}
    (cut,), _ = encoder(int(n_first) + 1).encode([sample(0.0, 0.5, 1.0)])
    assert cut.loss_weights is not None
    assert cut.loss_weights.tolist() == [0.0] * int(n_first) + [0.5]


def test_turns_of_any_weight_are_asked_with_the_answers_before_them():
    asked, plain = encoder().ask([sample(0.0, 0.5, 1.0)]), encoder().ask([sample()])
    assert [question.turn for question in asked] == [1, 3, 5]
    for question, other in zip(asked, plain, strict=True):
        assert question.prompt is not None
        assert other.prompt is not None
        assert question.prompt.input_ids.tolist() == other.prompt.input_ids.tolist()
        assert not question.prompt.is_answer.any()
        assert question.prompt.loss_weights is None


def test_a_model_that_sees_its_prompt_both_ways_sees_the_same_of_a_row_whatever_its_weights(tmp_path):
    """PaliGemma reads of each token whether it is behind the first answer."""
    vlm = load_vlm(build_paligemma(tmp_path), BaseModelSettings())
    other = Encoder.of(vlm, Pictures(vlm.processor, draw_probe), max_tokens=2048)
    (plain, flagged), left_out = other.encode([sample(name="plain"), sample(0.0, 1.0, 0.5, name="flagged")])
    assert not left_out
    ((name, seen),) = plain.per_token.items()
    assert 0 < seen.sum() < len(seen)
    assert flagged.per_token[name].tolist() == seen.tolist()
    assert flagged.is_answer.sum() < plain.is_answer.sum()


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_has_weights_only_if_a_row_has_other_ones_than_zero_and_one(side):
    rows = [one(replace(sample(0.5, 2.0, 0.0), turns=TURNS[:4])), one(sample(0.0, 1.0, 0.0)), one(sample())]
    pad_id = pad_token_id(PROCESSOR.tokenizer)
    assert "loss_weights" not in collate_text(rows[1:], pad_id=pad_id, padding_side=side)
    batch = collate_text(rows, pad_id=pad_id, padding_side=side)
    weights = batch["loss_weights"]
    assert weights.dtype == torch.float32
    assert ((weights > 0) == (batch["labels"] != -100)).all()
    assert [row[row > 0].tolist() for row in weights] == [[0.5] * 2 + [2.0] * 3, [1.0] * 3, [1.0] * 7]
