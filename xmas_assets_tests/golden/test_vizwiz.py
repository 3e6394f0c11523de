"""VizWiz against its script as reconstructed, items worked by hand, and LLaVA's question file and converter."""

import json

import pytest

from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.evaluation.benchmarks.vizwiz import Vizwiz, answerability, vizwiz_words
from xmas_assets_tests.golden import official

VIZWIZ = Vizwiz()


def test_texts_have_the_official_normal_form():
    for case in official.read("vizwiz", "normalise_cases.json"):
        assert vizwiz_words(case["input"]) == case["vizwiz_official"], case["input"]


@pytest.mark.parametrize("right", ["ain't", "aren't", "can't", "could've", "couldn't", "we've", "where's", "who've"])
def test_eight_contractions_keep_a_straight_apostrophe(right: str):
    assert vizwiz_words(right.replace("'", "")) == right


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("dont", "don\u2019t"),
        ("whos", "who\u2019s"),
        ("couldn'tve", "couldn\u2019t\u2019ve"),
        ("hadn'tve", "hadn\u2019t\u2019ve"),
        ("hadnt\u2019ve", "hadn\u2019t\u2019ve"),
        ("shouldn'tve", "shouldn'tve"),
        ("somebody\u2019d", "somebodyd"),
    ],
)
def test_other_contractions_are_typographic(word: str, right: str):
    assert vizwiz_words(word) == right


def test_scores_are_those_worked_by_hand():
    expected = official.read("vizwiz", "hand.json")
    items = [
        Item(item_id=str(number), question="", prompt="", images=(), references=tuple(case["references"]))
        for number, case in enumerate(expected["items"])
    ]
    answers = {str(number): case["prediction"] for number, case in enumerate(expected["items"])}
    for item, case in zip(items, expected["items"], strict=True):
        assert VIZWIZ.score(item, answers[item.item_id]) == pytest.approx(case["accuracy"]), case["working"]
    assert VIZWIZ.headline(VIZWIZ.units(items, answers)) == pytest.approx(expected["overall"], abs=0.00501)


@pytest.mark.parametrize("answers", ["results_raw", "results_llava_converted"])
def test_scores_are_those_of_the_official_script(answers: str):
    expected = official.read("vizwiz", "expected.json")[answers]
    items = VIZWIZ.read(official.question_files("vizwiz"))
    given = {row["image"]: row["answer"] for row in official.read("vizwiz", f"{answers}.json")}
    scores = {name: 100 * score for name, score in VIZWIZ.score_all(items, given).items()}
    assert scores == pytest.approx(expected["evalQA"], abs=0.00501)
    assert VIZWIZ.headline(VIZWIZ.units(items, given)) == pytest.approx(expected["overall"], abs=0.00501)
    parts = {f"answer_type/{name}": value for name, value in expected["perAnswerType"].items()}
    assert VIZWIZ.parts(items, given) == pytest.approx(parts, abs=0.00501)


def test_answerability_is_measured_as_the_official_script_does():
    items = VIZWIZ.read(official.question_files("vizwiz"))
    predicted = {row["image"]: row["answerable"] for row in official.read("vizwiz", "results_answerability.json")}
    expected = official.read("vizwiz", "expected.json")["answerability"]
    assert answerability(items, predicted) == pytest.approx(expected, abs=0.00501)


def test_prompts_and_submission_are_those_of_llava():
    items = VIZWIZ.read(official.question_files("vizwiz"))
    asked = official.read("vizwiz", "llava_questions.jsonl")
    assert {item.images[0]: item.prompt for item in items} == {row["image"]: row["text"] for row in asked}
    images = {row["question_id"]: row["image"] for row in asked}
    answers = {images[row["question_id"]]: row["text"] for row in official.read("vizwiz", "llava_answers.jsonl")}
    expected = official.read("vizwiz", "results_llava_converted.json")
    found = json.loads(VIZWIZ.submission(items, answers)[1])
    assert {row["image"]: row["answer"] for row in found} == {row["image"]: row["answer"] for row in expected}


def test_predictions_that_are_equal_count_at_once():
    items = [
        Item(item_id=str(number), question="", prompt="", images=(), references=(), details={"answerable": number % 2})
        for number in range(4)
    ]
    # Not answerable are 0 and 2. At 0.9: one of one; at 0.5: two of four. So AP is 1/2 * 1 + 1/2 * 2/4.
    found = answerability(items, {"0": 0.1, "1": 0.5, "2": 0.5, "3": 0.5})
    assert found["average_precision"] == pytest.approx(75)
    assert found["f1_score"] == pytest.approx(200 / 3)  # 0.5 is not above 0.5: precision 1, recall 1/2
