"""How long answers may be, and which right answers are longer."""

import hashlib
from pathlib import Path

import pytest

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BenchmarkSettings, Settings
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.data.registration import Registration
from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.home.home import Home
from xmas_assets.stages.answer_limits import benchmark_limit, own_limit
from xmas_assets.vlm.answer_lengths import text_tokens
from xmas_assets.vlm.model_files import SHIPPED_BASE

# The toy model's tokenizer has one token for each of these words, and an answer has an end token.
ANSWERS = {"a": "red", "b": "red red red", "c": " ".join(["red"] * 40)}


def samples(names: str) -> list[Sample]:
    return [Sample(name, (Turn("user", "what?"), Turn("assistant", ANSWERS[name]))) for name in names]


def item(name: str, *answers: str) -> Item:
    references = tuple(ANSWERS[answer] for answer in answers)
    return Item(item_id=name, question="what?", prompt="what?", images=(), references=references)


def registration(tokens: int | None) -> BenchmarkRegistration:
    return BenchmarkRegistration.create("p", [Path("p.json")], form="pope", max_new_tokens=tokens)


@pytest.mark.parametrize(
    ("asked", "tokens", "expected", "cut"),
    [
        ("abc", None, 41, {}),
        ("ab", None, 16, {}),
        ("abc", 16, 16, {"c": 41}),
        ("abc", 3, 3, {"b": 4, "c": 41}),
        ("a", 2, 2, {}),
    ],
)
def test_the_longest_answer_follows_the_right_ones_unless_set(asked, tokens, expected, cut):
    limit = own_limit(samples(asked), BenchmarkSettings(max_new_tokens=tokens), base=SHIPPED_BASE)
    assert (limit.tokens, limit.cut, limit.n_questions) == (expected, cut, len(asked))


def test_a_row_has_the_tokens_of_its_questions_its_answers_and_an_image_as_its_mark():
    def row(question: str, answer: str) -> Sample:
        return Sample("a", (Turn("user", question), Turn("assistant", answer)))

    rows = [row("what?", "red"), row("what? red red", "red red red"), row("<image>\nwhat?", "red")]
    bare, longer, pictured = text_tokens(SHIPPED_BASE, rows)
    assert longer - bare == 4
    assert 1 <= pictured - bare <= 4  # the mark and its line end, not the many tokens of a picture


def test_what_follows_the_right_answers_is_bounded():
    endless = Sample("a", (Turn("user", "what?"), Turn("assistant", "red " * 3000)))
    limit = own_limit([endless], BenchmarkSettings(), base=SHIPPED_BASE)
    assert (limit.tokens, limit.cut) == (1024, {"a": 3001})


def test_a_benchmark_sets_its_own_longest_answer_and_a_question_is_cut_if_all_its_answers_are():
    items = [item("short", "a"), item("either", "a", "c"), item("long", "b", "c"), item("unpublished")]
    of_pope = benchmark_limit(registration(None), items, base=SHIPPED_BASE)
    assert (of_pope.tokens, of_pope.cut, of_pope.n_questions) == (16, {}, 3)
    assert benchmark_limit(registration(3), items, base=SHIPPED_BASE).cut == {"long": 4}


@pytest.mark.parametrize(
    ("is_toy", "overrides", "tokens"),
    [(True, {}, 16), (True, {"max_new_tokens": 3}, 3), (True, {"max_new_tokens": None}, 16), (False, {}, None)],
)
def test_a_toy_dataset_is_asked_as_ever(tmp_path, is_toy, overrides, tokens):
    fields = {"generated": "toy" if is_toy else None, "overrides": {"benchmark": overrides} if overrides else {}}
    # What the folder is called says nothing.
    Registration.create("shapes", [tmp_path / "a.json"], images=tmp_path / "toy" / "shapes", **fields).save(tmp_path)
    assert Home.open(tmp_path).settings("shapes").benchmark.max_new_tokens == tokens


def test_the_version_of_a_toy_datasets_settings_is_that_of_older_homes():
    written = b'{"batch_size": 256, "max_new_tokens": 16, "max_questions": null, "threads": 1}'
    assert Settings().of_toy().benchmark.digest() == hashlib.sha256(written).hexdigest()


@pytest.mark.parametrize(
    ("folder", "train", "is_toy"),
    [
        ("toy", "train.json", True),
        ("embedded", "train.json", True),
        ("toy", "mine.json", False),
        ("a", "train.json", False),
    ],
)
def test_a_toy_dataset_that_was_registered_before_this_was_written_down_is_known_by_its_files(
    folder, train, is_toy, tmp_path
):
    files = tmp_path / folder / "shapes"
    made = Registration.create("shapes", [files / train], test=[files / "test.json"], images=files)
    path = made.save(tmp_path)
    path.write_text(path.read_text().replace("generated: null\n", ""))
    assert "generated" not in path.read_text()
    assert Home.open(tmp_path).is_toy("shapes") == is_toy
