import json
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from xmas_assets.toy.dataset import SyntheticSettings, generate
from xmas_assets.toy.model import build_tokenizer
from xmas_assets.vlm.model_files import SHIPPED_BASE
from xmas_assets_tests.toy.untrained import build_untrained

QUESTION = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What colour is the circle?"}]}]
ANSWERED = [*QUESTION, {"role": "assistant", "content": [{"type": "text", "text": "red"}]}]
TOKENIZER = build_tokenizer()


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> Path:
    return build_untrained(tmp_path_factory.mktemp("untrained"))


@pytest.fixture(scope="module", params=["untrained", "shipped"])
def directory(request, untrained) -> Path:
    return {"untrained": untrained, "shipped": SHIPPED_BASE}[request.param]


@pytest.fixture(scope="module")
def processor(directory):
    return AutoProcessor.from_pretrained(directory, local_files_only=True)


def test_auto_classes_load_a_llava_model_that_answers(directory, processor):
    model = AutoModelForImageTextToText.from_pretrained(directory, local_files_only=True)
    prompt = processor.apply_chat_template(QUESTION, add_generation_prompt=True)
    inputs = processor(text=[prompt], images=[Image.new("RGB", (100, 30), "red")], return_tensors="pt")
    generated = model.generate(**inputs, max_new_tokens=2, do_sample=False)
    assert type(model).__name__ == "LlavaForConditionalGeneration"
    assert generated.shape[1] > inputs["input_ids"].shape[1]


def test_any_picture_becomes_sixteen_tokens(processor):
    for size in ((64, 64), (1, 300), (500, 20)):
        inputs = processor(text=["<image>"], images=[Image.new("RGB", size)], return_tensors="pt")
        assert (inputs["input_ids"] == processor.image_token_id).sum() == 16
        assert inputs["pixel_values"].shape == (1, 3, 64, 64)


def test_chat_template_is_llava_15s_with_an_end_after_each_answer(processor):
    expected = "USER: <image>\nWhat colour is the circle? ASSISTANT: red</s>"
    as_text = [
        {"role": "user", "content": "<image>\nWhat colour is the circle?"},
        {"role": "assistant", "content": "red"},
    ]
    assert processor.apply_chat_template(ANSWERED) == expected
    assert processor.apply_chat_template(as_text) == expected
    assert processor.apply_chat_template(ANSWERED + QUESTION, add_generation_prompt=True) == (
        expected + "USER: <image>\nWhat colour is the circle? ASSISTANT:"
    )


def test_only_the_answer_and_its_end_are_marked_as_the_assistants(processor):
    encoded = processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Is it red?"}, {"role": "assistant", "content": "yes"}],
        chat_template=processor.chat_template,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    chosen = [i for i, own in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if own]
    assert processor.tokenizer.convert_ids_to_tokens(chosen) == ["Ġyes", "</s>"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_its_tokens(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text, add_special_tokens=False)) == text


def test_every_word_of_the_toy_dataset_is_one_token(tmp_path):
    generate(SyntheticSettings(n_train=400, n_test=80), tmp_path)
    texts = {
        turn["value"]
        for record in json.loads((tmp_path / "train.json").read_text())
        for turn in record["conversations"]
    }
    words = {word for text in texts for word in re.findall(r"[A-Za-z]+", text.removeprefix("<image>"))}
    assert len(words) > 60
    for word in sorted(words):
        assert len(TOKENIZER.tokenize(word)) == len(TOKENIZER.tokenize(f" {word}")) == 1, word


def test_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(untrained, tmp_path):
    state = torch.get_rng_state()
    again = load_file(build_untrained(tmp_path / "again") / "model.safetensors")
    other = load_file(build_untrained(tmp_path / "other", seed=1) / "model.safetensors")
    weights = load_file(untrained / "model.safetensors")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert not all(torch.equal(weights[name], other[name]) for name in weights)


def test_the_shipped_base_is_what_the_code_builds_except_for_its_weights(untrained):
    for name in (
        "config.json",
        "chat_template.jinja",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ):
        assert json_or_text(SHIPPED_BASE / name) == json_or_text(untrained / name), name
    shapes = {name: value.shape for name, value in load_file(untrained / "model.safetensors").items()}
    shipped = load_file(SHIPPED_BASE / "model.safetensors")
    assert {name: value.shape for name, value in shipped.items()} == shapes
    assert all(value.isfinite().all() for value in shipped.values())
    assert (SHIPPED_BASE / "model.safetensors").stat().st_size < 5_000_000


def json_or_text(path: Path) -> object:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return text
    content = json.loads(text)
    content.pop("transformers_version", None)
    return content
