import logging
from dataclasses import replace

import pytest
import torch
from PIL import Image

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.progress import Progress
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings, BenchmarkSettings
from xmas_assets.evaluation.answers import Answer
from xmas_assets.evaluation.runner import ask as ask_in_shards
from xmas_assets.evaluation.runner import coverage, generate, stop_token_ids
from xmas_assets.vlm.generation import Said
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.prompts import Encoder
from xmas_assets_tests.evaluation.asking import answer_questions
from xmas_assets_tests.toy.untrained import build_untrained

SILENT = Said("", is_cut=False)
COLOURS = ("red", "green", "blue", "black", "white", "pink")


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    loaded = load_vlm(build_untrained(tmp_path_factory.mktemp("base")), BaseModelSettings())
    # Fresh weights say one thing to every question; sharper ones make the answers differ.
    with torch.no_grad():
        for name, values in loaded.model.named_parameters():
            if "_proj" in name or "projector" in name:
                values *= 6
    return loaded


def draw(name: str, content_hash: str = "") -> Image.Image:
    return Image.new("RGB", (40, 40), name)


def settings(**changes) -> BenchmarkSettings:
    return BenchmarkSettings(**{"max_new_tokens": 5, "batch_size": 4, "threads": 1} | changes)


def make_questions() -> list[Sample]:
    """Questions of several lengths, some text-only, one of two turns."""
    made = []
    for number, colour in enumerate(COLOURS * 2):
        images = () if number % 5 == 4 else (colour,)
        text = "<image>\n" * len(images) + "what is " + "near " * (number % 3) + f"object {number}?"
        turns = [Turn("user", text), Turn("assistant", colour)]
        turns += [Turn("user", "is it red?"), Turn("assistant", "no")] if number == 6 else []
        made.append(Sample(f"q{number}", tuple(turns), images, tuple(f"hash {i}" for i in images), "colour"))
    return made


def ask(vlm, samples=None, **changes) -> list[Answer]:
    samples = make_questions() if samples is None else samples
    return answer_questions(vlm, samples, draw, settings(**changes), max_tokens=512)


def test_each_assistant_turn_is_one_row_with_what_a_reader_needs(vlm):
    rows = ask(vlm)
    assert [row.question_id for row in rows][5:9] == ["q5", "q6#1", "q6#3", "q7"]
    row = rows[7]
    assert (row.sample_id, row.image_hash, row.task) == ("q6", "hash red", "colour")
    assert (row.question, row.reference) == ("is it red?", "no")
    assert rows[4].image_hash == ""
    assert all(row.score == int(row.answer.strip().casefold().rstrip(".") == row.reference) for row in rows)


def test_answers_are_those_of_transformers_asked_one_by_one(vlm):
    """The reference builds each prompt with the processor's own chat template and asks without any padding."""
    processor = vlm.processor
    samples = [sample for sample in make_questions() if len(sample.turns) == 2]
    expected = []
    for sample in samples:
        content = [{"type": "image"}] * len(sample.images)
        content += [{"type": "text", "text": sample.turns[0].text.removeprefix("<image>\n")}]
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        pictures = [draw(name) for name in sample.images] or None
        inputs = processor(images=pictures, text=[text], return_tensors="pt")
        inputs = {name: inputs[name] for name in ("input_ids", "attention_mask", "pixel_values") if name in inputs}
        said = vlm.model.generate(**inputs, do_sample=False, max_new_tokens=5)
        expected.append(processor.decode(said[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip())
    assert len(set(expected)) > 3
    assert [row.answer for row in ask(vlm, samples)] == expected


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_answers_do_not_depend_on_the_batches(vlm, batch_size):
    assert ask(vlm, batch_size=batch_size) == ask(vlm)


def test_answers_do_not_depend_on_the_order_of_the_rows(vlm):
    turned = ask(vlm, make_questions()[::-1])
    assert sorted(turned) == sorted(ask(vlm))


def test_an_end_token_stops_an_answer(vlm):
    pictures = Pictures(vlm.processor, draw)
    prompts = [question.prompt for question in Encoder.of(vlm, pictures, max_tokens=512).ask(make_questions())]
    free = generate(vlm, prompts, pictures, stop_ids=[2], max_new_tokens=5)
    tokenizer = vlm.processor.tokenizer
    number, text = next((n, said.text) for n, said in enumerate(free) if len(tokenizer.tokenize(said.text)) >= 2)
    ids = vlm.model.generate(
        input_ids=torch.tensor([prompts[number].input_ids.tolist()]),
        **pictures.inputs(prompts[number].units),
        max_new_tokens=2,
        do_sample=False,
    )[0, -2:].tolist()  # fmt: skip
    stopped = generate(vlm, [prompts[number]], pictures, stop_ids=[2, ids[1]], max_new_tokens=5)
    assert stopped[0].text.startswith(tokenizer.decode(ids[:1]).strip())
    assert len(stopped[0].text) < len(text)
    # An answer whose last possible token is the end token is whole; without an end it is cut.
    assert [said.is_cut for said in (free[number], stopped[0])] == [True, False]
    whole = generate(vlm, [prompts[number]], pictures, stop_ids=[2, ids[1]], max_new_tokens=2)
    assert not whole[0].is_cut


def test_the_templates_end_token_and_the_models_own_stop(vlm):
    encoder = Encoder.of(vlm, Pictures(vlm.processor, draw), max_tokens=512)
    assert stop_token_ids(vlm, encoder) == [vlm.processor.tokenizer.convert_tokens_to_ids("</s>")]


def test_a_sampling_model_is_asked_greedily(vlm):
    before = ask(vlm)
    own = vlm.model.generation_config
    try:
        own.do_sample, own.temperature, own.repetition_penalty = True, 5.0, 9.0
        assert ask(vlm) == before
    finally:
        own.do_sample, own.temperature, own.repetition_penalty = False, None, None


def test_a_sample_of_the_questions_is_the_same_in_any_order(vlm):
    few = ask(vlm, max_questions=5)
    assert len(few) == 5
    assert sorted(few) == sorted(ask(vlm, make_questions()[::-1], max_questions=5))
    everything = [row.question_id for row in ask(vlm)]
    assert [row.question_id for row in few] == [name for name in everything if name in {row.question_id for row in few}]


def test_a_question_too_long_to_ask_is_not_scored_but_covered(vlm):
    samples = make_questions()[:3]
    samples[1] = replace(samples[1], turns=(Turn("user", "<image>" + "very " * 600), samples[1].turns[1]))
    rows = ask(vlm, samples)
    assert [row.score is None for row in rows] == [False, True, False]
    options = {"max_tokens": 512, "max_new_tokens": 5, "chosen": None}
    replies = ask_in_shards(vlm, samples, draw, settings(), **options)
    assert [reply.left_out for (reply,) in replies] == [None, "too_long", None]
    assert coverage(rows) == pytest.approx(2 / 3)
    assert coverage([]) == 0


def test_a_question_id_that_stands_twice_is_refused(vlm):
    with pytest.raises(DatasetError, match="'q0' occurs twice"):
        ask(vlm, make_questions()[:1] * 2)


def test_a_model_that_says_nothing_is_flagged(vlm, monkeypatch, caplog):
    monkeypatch.setattr(
        "xmas_assets.evaluation.runner.generate", lambda vlm, prompts, *_, **__: [SILENT] * len(prompts)
    )
    with caplog.at_level(logging.WARNING):
        rows = ask(vlm)
    assert "empty answer to all of 13 questions" in caplog.text
    assert {row.score for row in rows} == {0}


def test_progress_counts_questions(vlm):
    seen = []
    answer_questions(vlm, make_questions(), draw, settings(), max_tokens=512, progress=seen.append)
    assert seen == [Progress(done, 13) for done in (4, 8, 12, 13)]
