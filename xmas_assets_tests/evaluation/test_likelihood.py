"""The likeliest of given options as the answer."""

import pytest
import torch
from PIL import Image

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings, BenchmarkSettings
from xmas_assets.evaluation.likelihood import likeliest_options, option_losses
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.toy.untrained import build_untrained

WORDS = ("red", "a small green square", "blue blue", "left of the white circle")
OPTIONS = [dict(zip("ABCD", WORDS[n % 4 :] + WORDS[: n % 4], strict=True)) for n in range(6)]


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    return load_vlm(build_untrained(tmp_path_factory.mktemp("base")), BaseModelSettings())


def draw(name: str, content_hash: str = "") -> Image.Image:
    return Image.new("RGB", (40, 40), name)


def questions() -> list[Sample]:
    """Questions of several lengths, one without an image."""
    made = []
    for number, colour in enumerate(("red", "green", "blue", "black", "white", "pink")):
        images = () if number == 4 else (colour,)
        text = "<image>\n" * len(images) + "what is " + "near " * number + "it?"
        hashes = tuple(f"hash {name}" for name in images)
        made.append(Sample(f"q{number}", (Turn("user", text), Turn("assistant", "")), images, hashes))
    return made


def losses(vlm, samples=None, *, batch_size: int = 5, max_tokens: int = 512):
    settings = BenchmarkSettings(batch_size=batch_size)
    samples = questions() if samples is None else samples
    options = [OPTIONS[int(sample.sample_id[1:])] for sample in samples]
    return option_losses(vlm, samples, draw, settings, options=options, max_tokens=max_tokens)


def test_losses_are_those_of_transformers_asked_one_by_one(vlm):
    """The reference writes each conversation with the processor's own template and reads the model's own loss."""
    processor, expected = vlm.processor, {}
    for sample, options in zip(questions(), OPTIONS, strict=True):
        for letter, text in options.items():
            content = [{"type": "image"}] * len(sample.images)
            content += [{"type": "text", "text": sample.turns[0].text.removeprefix("<image>\n")}]
            asked = [{"role": "user", "content": content}]
            prompt = processor.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
            pictures = [draw(name) for name in sample.images] or None
            n_prompt = processor(images=pictures, text=[prompt], return_tensors="pt")["input_ids"].shape[1]
            inputs = processor(images=pictures, text=[f"{prompt} {text}</s>"], return_tensors="pt")
            labels = inputs["input_ids"].clone()
            labels[:, :n_prompt] = -100
            names = ("input_ids", "attention_mask", "pixel_values")
            with torch.inference_mode():
                said = vlm.model(**{name: inputs[name] for name in names if name in inputs}, labels=labels)
            expected[f"{sample.sample_id}#{letter}"] = float(said.loss)
    found, left_out = losses(vlm)
    assert left_out == {}
    assert found == pytest.approx(expected, rel=1e-5)
    assert len({round(loss, 3) for loss in found.values()}) > 10


@pytest.mark.parametrize("batch_size", [1, 64])
def test_losses_do_not_depend_on_the_batches(vlm, batch_size):
    assert losses(vlm, batch_size=batch_size)[0] == pytest.approx(losses(vlm)[0], rel=1e-5)


def test_the_answer_is_the_letter_of_the_least_loss_and_the_first_of_equal_ones(vlm):
    settings = BenchmarkSettings(batch_size=7)
    replies = likeliest_options(vlm, questions(), draw, settings, options=OPTIONS, max_tokens=512)
    found, _ = losses(vlm)
    for number, reply in enumerate(replies):
        of_question = {letter: found[f"q{number}#{letter}"] for letter in "ABCD"}
        assert reply.text is not None
        assert of_question[reply.text] == min(of_question.values())
    same = [{"A": "red", "B": "red"}]
    (tied,) = likeliest_options(vlm, questions()[:1], draw, settings, options=same, max_tokens=512)
    assert tied.text == "A"


def test_a_question_with_an_option_that_is_too_long_is_not_asked(vlm):
    options = [{"A": "red", "B": "red " * 600}, {"A": "red", "B": "blue"}]
    replies = likeliest_options(vlm, questions()[:2], draw, BenchmarkSettings(), options=options, max_tokens=512)
    assert [reply.left_out for reply in replies] == ["too_long", None]
