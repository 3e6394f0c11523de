"""Rows of every family are what its own processor makes of them, alone and in a batch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id
from xmas_assets_tests.families.worlds import (
    CONVERSATIONS,
    IMAGES_ALONG_AXIS_1,
    WITHOUT_TEMPLATE,
    World,
    conversation,
    own_call,
)
from xmas_assets_tests.vlm.forks import n_forks

#: What ends an answer: the first two of three, and the last.
ENDS = {
    "llava": ("</s>", "</s>"),
    "llava_next": ("</s>", "</s>"),
    "llava_onevision": ("<|im_end|>", "<|im_end|>"),
    "qwen2_vl": ("<|im_end|>", "<|im_end|>"),
    "qwen2_5_vl": ("<|im_end|>", "<|im_end|>"),
    "qwen3_vl": ("<|im_end|>", "<|im_end|>"),
    "smolvlm": ("<end_of_utterance>", "<end_of_utterance>"),
    "idefics3": ("<end_of_utterance>", "<end_of_utterance>"),
    "paligemma": ("<eos>", "<eos>"),
    "paligemma2": ("<eos>", "<eos>"),
    "internvl": ("<|im_end|>", "<|im_end|>"),
    "gemma3": ("<end_of_turn>", "<end_of_turn>"),
    "mistral3": ("</s>", "</s>"),
    "pixtral": ("</s>", "</s>"),
    "glm4v": ("<|user|>", "<|endoftext|>"),  # the next speaker ends an answer, or the end of the text
    "ovis2": ("<|im_end|>", "<|im_end|>"),
    "aya_vision": ("<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",) * 2,
    "qwen3_5": ("<|im_end|>", "<|im_end|>"),
    "gemma4": ("<turn|>", "<turn|>"),
}
#: Families whose layers see both ways where the processor's kinds of tokens say so.
TWO_WAY = {"paligemma", "paligemma2", "gemma3", "gemma4"}


@pytest.mark.parametrize("name", list(CONVERSATIONS))
def test_a_row_is_one_call_of_the_familys_own_processor(world: World, name: str):
    row = world.rows[name]
    found = world.pictures.inputs(row.units)
    found |= {key: torch.from_numpy(values)[None] for key, values in row.per_token.items()}
    found["input_ids"] = torch.from_numpy(row.input_ids).long()[None]
    expected = own_call(world, CONVERSATIONS[name])
    assert expected.pop("attention_mask").all()
    assert found["input_ids"].tolist() == expected["input_ids"].tolist()
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        if world.family in IMAGES_ALONG_AXIS_1 and values.ndim > 2:
            assert torch.equal(tiles(found[key]), tiles(values)), key
        else:
            assert torch.equal(found[key], values), key


def tiles(values: Tensor) -> Tensor:
    """The tiles of all images, in order, without those that are only filling."""
    below = values.flatten(0, 1)
    return below[below.flatten(1).any(1)]


def test_the_template_of_a_model_that_is_loaded_again_is_not_run_again(world: World):
    again = Encoder.of(load_vlm(world.directory, BaseModelSettings()), world.pictures, max_tokens=4096)
    before = n_forks()
    for sample in CONVERSATIONS.values():
        assert again.template.render(sample.turns) == world.encoder.template.render(sample.turns)
    assert n_forks() == before


@pytest.mark.parametrize("name", list(CONVERSATIONS))
def test_exactly_the_answers_with_their_ends_are_learned(world: World, name: str):
    row, sample = world.rows[name], CONVERSATIONS[name]
    *middle, last = [turn.text for turn in sample.turns if turn.role == "assistant"]
    end, last_end = ENDS[world.family]
    runs = np.split(row.input_ids, np.flatnonzero(np.diff(row.is_answer)) + 1)
    texts = [world.vlm.processor.tokenizer.decode(run).strip(" ") for run in runs]
    assert not row.is_answer[0]
    assert texts[1::2] == [*(answer + end for answer in middle), last + last_end]
    questions = [turn.text.replace("<image>", "") for turn in sample.turns if turn.role == "user"]
    assert all(question in text for question, text in zip(questions, texts[::2], strict=False))
    assert last_end.startswith(world.encoder.template.end_token())
    assert row.labels.tolist() == np.where(row.is_answer, row.input_ids, -100).tolist()


def test_a_system_message_stands_before_the_question_and_is_not_learned(world: World):
    one = CONVERSATIONS["one"]
    sample = replace(one, turns=(Turn("system", "Be brief."), *one.turns))
    if world.family == "pixtral":  # its template writes one where an answer is still to come only
        with pytest.raises(ModelError, match="loses, repeats or moves parts of the messages"):
            world.encoder.encode([sample])
        return
    (row,) = world.encoder.encode([sample])[0]
    is_text = ~row.is_image & ~row.is_answer
    prompt = world.vlm.processor.tokenizer.decode(row.input_ids[is_text])
    assert 0 < prompt.index("Be brief.") < prompt.index("What is left of it?")
    assert row.input_ids[row.is_answer].tolist() == world.rows["one"].input_ids[world.rows["one"].is_answer].tolist()


def test_a_row_that_is_cut_is_the_beginning_of_the_whole_row(world: World):
    whole = world.rows["turns"]
    limit = len(whole.input_ids) - 2
    encoder = Encoder.of(world.vlm, world.pictures, max_tokens=limit)
    (row,) = encoder.encode([CONVERSATIONS["turns"]])[0]
    assert (row.is_cut, row.units, row.n_image_tokens) == (True, whole.units, whole.n_image_tokens)
    for name in ("input_ids", "is_answer", "is_image"):
        assert getattr(row, name).tolist() == getattr(whole, name)[:limit].tolist()
    assert row.per_token.keys() == whole.per_token.keys()
    for name, values in row.per_token.items():
        assert values.tolist() == whole.per_token[name][:limit].tolist()


@pytest.mark.parametrize("name", list(CONVERSATIONS))
def test_what_comes_before_the_last_answer_is_the_processors_own_prompt(world: World, name: str):
    row, sample = world.rows[name], CONVERSATIONS[name]
    if world.family == "llava_onevision":
        pytest.skip("its template writes 'assistant' and a space before an answer, and no space where one is to come")
    if world.family in WITHOUT_TEMPLATE and len(sample.turns) > 2:
        pytest.skip("its processor knows no prompt of several turns")
    starts = np.flatnonzero(np.diff(row.is_answer.astype(int)) == 1) + 1
    prompt = own_call(world, sample, as_question=True)["input_ids"][0].tolist()
    assert row.input_ids[: starts[-1]].tolist() == prompt


@pytest.mark.parametrize("name", ["one", "large", "talk", "text"])
def test_a_question_is_the_beginning_of_the_row_that_teaches_its_answer(world: World, name: str):
    row = world.rows[name]
    starts = np.flatnonzero(np.diff(row.is_answer.astype(int)) == 1) + 1
    for start, question in zip(starts, world.encoder.ask([CONVERSATIONS[name]]), strict=True):
        prompt = question.prompt
        assert prompt is not None
        assert prompt.units == row.units
        assert not prompt.is_answer.any()
        assert prompt.input_ids.tolist() == row.input_ids[:start].tolist()
        for key, values in row.per_token.items():
            assert prompt.per_token[key].tolist() == values[:start].tolist()


@pytest.mark.parametrize("name", ["one", "wide", "tall", "large", "two", "turns"])
def test_an_image_has_as_many_tokens_as_the_model_makes_features_of_it(world: World, name: str):
    images = CONVERSATIONS[name].images
    if world.family == "llava_onevision" and len(images) > 1:
        # Among several, an image is its base square of 3 by 3 tokens and a newline.
        assert world.rows[name].n_image_tokens == (10, 10)
        return
    assert world.rows[name].n_image_tokens == tuple(n_features(world, image) for image in images)


@torch.inference_mode()
def n_features(world: World, image: str) -> int:
    """Vectors that the model's vision side makes of an image on its own."""
    inputs = own_call(world, conversation(image, [image], "<image>What is it?", "yes"))
    of_text = inputs["input_ids"].shape
    of_image = {name: values for name, values in inputs.items() if values.shape[:2] != of_text}
    pieces = world.vlm.model.get_image_features(**of_image).pooler_output
    return sum(piece.numel() // piece.shape[-1] for piece in pieces)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_row_says_the_same_in_a_batch_as_alone(world: World, side: Literal["left", "right"]):
    names = ["wide", "tall", "two", "text"]
    rows = [world.rows[name] for name in names]
    pad_id = pad_token_id(world.vlm.processor.tokenizer)
    batch = collate(rows, world.pictures, pad_id=pad_id, padding_side=side)
    assert batch.pop("labels").shape == batch["input_ids"].shape
    logits = run(world, batch)
    for number, (name, row) in enumerate(zip(names, rows, strict=True)):
        last = -1 if side == "left" else len(row.input_ids) - 1
        expected = run(world, own_call(world, CONVERSATIONS[name]))[0, -1]
        torch.testing.assert_close(logits[number, last], expected, rtol=0, atol=1e-4)


def test_the_answer_is_not_seen_where_it_is_to_be_predicted(world: World):
    row, other = (world.encoder.encode([answered(text)])[0][0] for text in ("a red square", "no, blue stars"))
    assert row.input_ids.tolist() != other.input_ids.tolist()
    torch.testing.assert_close(before_answer(world, row), before_answer(world, other), rtol=0, atol=1e-4)


@pytest.mark.parametrize("world", sorted(TWO_WAY), indirect=True)
def test_without_its_kinds_of_tokens_the_model_would_say_something_else(world: World):
    """PaliGemma would see the answer, the others would run causal: the tests above would notice."""
    row, other = (world.encoder.encode([answered(text)])[0][0] for text in ("a red square", "no, blue stars"))
    dropped = before_answer(world, replace(row, per_token={}))
    assert (dropped - before_answer(world, row)).abs().max() > 1e-2
    is_seen = (dropped - before_answer(world, replace(other, per_token={}))).abs().max() > 1e-2
    assert is_seen == (world.family == "paligemma")


def answered(text: str) -> Sample:
    return conversation(text, ["square"], "<image>What is left of it?", text)


def before_answer(world: World, row: Encoded) -> Tensor:
    """The model's logits where the answer's first token is predicted."""
    inputs = collate([row], world.pictures, pad_id=0, padding_side="right")
    del inputs["labels"]
    return run(world, inputs)[0, int(row.is_answer.argmax()) - 1]


@torch.inference_mode()
def run(world: World, inputs: Mapping[str, Tensor]) -> Tensor:
    """The model's logits, shape (n_rows, n_tokens, vocabulary)."""
    return world.vlm.model(**inputs).logits
