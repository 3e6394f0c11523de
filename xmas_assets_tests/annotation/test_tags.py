"""Tags from a column, an endpoint and a local model, and how they are normalised."""

import json

import pytest
from pydantic import ValidationError
from transformers import LlamaConfig, LlamaForCausalLM

from xmas_assets.annotation.chat_endpoint import Answer
from xmas_assets.annotation.tags import (
    ask_for_tags,
    check_tag_source,
    normalise,
    read_tags,
    tag_table,
    tags_of_column,
)
from xmas_assets.contracts.annotation import TagSettings
from xmas_assets.contracts.errors import ModelError, SettingsError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.toy.model import build_tokenizer
from xmas_assets.vlm.chat import LocalChat
from xmas_assets.vlm.model_files import SHIPPED_BASE
from xmas_assets_tests.annotation.chat_server import Server, completion
from xmas_assets_tests.extraction.worlds import make_samples
from xmas_assets_tests.toy.untrained import build_untrained

N_ROWS = 6
TEMPLATE = "{% for message in messages %}<s>{{ message['content'] }}{% endfor %}"


def small_config(n_tokens: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=n_tokens, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_untrained(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    """A model without eyes, of random weights."""
    directory, tokenizer = tmp_path_factory.mktemp("language"), build_tokenizer()
    LlamaForCausalLM(small_config(len(tokenizer))).save_pretrained(directory)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(directory)
    return directory


def ask(base, workspace, **settings):
    chosen = TagSettings(**{"max_new_tokens": 8} | settings)
    return ask_for_tags(make_samples(N_ROWS), chosen, base=base, base_settings=BaseModelSettings(), workspace=workspace)


def test_an_endpoint_is_asked_about_each_row(base, tmp_path):
    with Server(lambda n, body: (200, {}, completion(json.dumps([f"tag {n}", "OCR"])))) as server:
        endpoint = {"url": server.url, "model": "tagger", "n_parallel": 1}
        answers = ask(base, tmp_path, source="endpoint", endpoint=endpoint)
    assert [answer.value for answer in answers] == [[f"tag {n}", "ocr"] for n in range(N_ROWS)]
    assert "Name every intention and skill" in server.requests[0][2]["messages"][0]["content"]


@pytest.mark.parametrize("kind", ["base", "directory"])
def test_a_local_model_answers_greedily_and_its_chatter_is_no_tag(base, language_model, tmp_path, kind):
    """Models of random weights write no JSON, which is counted, as an endpoint's chatter is."""
    answers = ask(base, tmp_path, source="model", model="base" if kind == "base" else str(language_model))
    assert {(answer.value, answer.failure) for answer in answers} == {(None, "the reply holds no JSON between [ and ]")}


@pytest.mark.parametrize("kind", ["base", "directory"])
def test_a_local_models_reply_is_the_likeliest_continuation_of_its_template(language_model, kind):
    """Against the argmax of the model's own logits, token by token, without the cache that generation uses."""
    chat = LocalChat(SHIPPED_BASE if kind == "base" else language_model, BaseModelSettings(), max_new_tokens=4)
    tokenizer = chat._tokenizer
    text = "<s>USER: how many circles ASSISTANT:" if kind == "base" else "<s>how many circles"
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    n_before = ids.shape[1]
    for _ in range(4):
        best = chat._model(input_ids=ids).logits[:, -1:].argmax(-1)
        if best.item() == tokenizer.eos_token_id:
            break
        ids = best.new_tensor([[*ids[0].tolist(), best.item()]])
    assert chat.reply("how many circles") == tokenizer.decode(ids[0, n_before:], skip_special_tokens=True).strip()


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ('["a", "B  c", "a"]', ("a", "b c")),
        ('```json\n[{"tag": "OCR", "explanation": "reads"}]\n```', ("ocr",)),
        ("[]", ()),
    ],
)
def test_tags_are_read_from_lists_in_several_dresses(text, tags):
    assert read_tags(text) == tags


NO_LISTS = ["no list", "[1, 2]", '[{"name": "x"}]', "[" + ", ".join(['"x"'] * 51) + "]", "[" * 200_000 + "]" * 200_000]


@pytest.mark.parametrize("text", NO_LISTS, ids=lambda text: text[:20])
def test_what_is_no_list_of_tags_is_refused(text):
    with pytest.raises(ValueError, match="the reply"):
        read_tags(text)


def test_a_column_holds_lists_or_texts_with_commas_and_nothing_else_is_guessed():
    answers = tags_of_column([["a", "b"], "a, B-c", "", [], None, 7, ["a", 1]])
    assert [answer.value for answer in answers] == [["a", "b"], ["a", " B-c"], [""], [], None, None, None]
    assert answers[4].failure == "the column holds a NoneType, not a list of texts or a text"


def test_tags_are_equal_but_for_case_and_punctuation_and_rare_ones_go():
    """'ocr' stands in rows 0 and 1, 'count objects' in 0 and 2 (twice there, once counted), 'rare' in 1 alone."""
    rows = [["OCR", "Count-Objects"], ["ocr.", "rare"], ["count objects", "COUNT  OBJECTS"], []]
    samples = make_samples(4)
    frame, notices = tag_table(samples, [Answer(row, "") for row in rows], TagSettings(min_count=2))
    assert frame["tags"].to_list() == [["ocr", "count objects"], ["ocr"], ["count objects"], []]
    assert notices == ("1 of 3 tags occur in fewer than 2 rows (tags.min_count) and are left out",)
    assert normalise(["Größe_2", "größe 2"]) == ("größe 2",)


def test_a_row_without_a_readable_answer_stays_with_no_tags_and_is_noticed():
    answers = [Answer(["a"], "")] * 29 + [Answer(None, "the reply holds no text")]
    frame, notices = tag_table(make_samples(30), answers, TagSettings())
    assert (frame.height, frame["tags"].to_list()[-1], frame["failure"].to_list()[-1]) == (
        30,
        [],
        "the reply holds no text",
    )
    assert notices == ("1 of 30 rows have no readable answer (the reply holds no text): sample-29",)
    with pytest.raises(ModelError, match=r"2 of 30 rows .*at most a share of 0\.05"):
        tag_table(make_samples(30), [*answers[1:], Answer(None, "x")], TagSettings())


def test_a_source_must_be_named_and_given():
    with pytest.raises(
        SettingsError, match=r"taken from a column of the dataset.*which you must name; set tags\.source"
    ):
        check_tag_source(TagSettings())
    with pytest.raises(ValidationError, match=r"source is 'endpoint', so tags\.endpoint must be given"):
        TagSettings(source="endpoint")


def test_a_model_without_a_chat_template_is_refused(tmp_path):
    build_tokenizer().save_pretrained(tmp_path)
    LlamaForCausalLM(small_config(64)).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="has no chat template, so it cannot be asked"):
        LocalChat(tmp_path, BaseModelSettings(), max_new_tokens=1)
