"""VQAv2 against the official script and LLaVA's converter."""

import json

import pytest

from xmas_assets.evaluation.benchmarks.vqa_text import evalai_words, plain_words
from xmas_assets.evaluation.benchmarks.vqav2 import Vqav2
from xmas_assets_tests.golden import official

VQAV2 = Vqav2()


def test_texts_have_the_official_normal_forms():
    for case in official.read("vqav2", "normalise_cases.json"):
        found = (plain_words(case["input"]), evalai_words(case["input"]))
        assert found == (case["official"], case["evalai_processor"]), case["input"]


@pytest.mark.parametrize("answers", ["results_raw", "results_llava_converted"])
def test_scores_are_those_of_the_official_script(answers: str):
    expected = official.read("vqav2", "expected.json")[answers]
    items = VQAV2.read(official.question_files("vqav2"))
    given = {str(row["question_id"]): row["answer"] for row in official.read("vqav2", f"{answers}.json")}
    scores = VQAV2.score_all(items, given)
    assert {name: 100 * score for name, score in scores.items()} == pytest.approx(expected["evalQA"], abs=0.00501)
    accuracy = expected["accuracy"]
    assert VQAV2.headline(VQAV2.units(items, given)) == pytest.approx(accuracy["overall"], abs=0.00501)
    parts = {f"question_type/{name}": value for name, value in accuracy["perQuestionType"].items()}
    parts |= {f"answer_type/{name}": value for name, value in accuracy["perAnswerType"].items()}
    assert VQAV2.parts(items, given) == pytest.approx(parts, abs=0.00501)


def test_the_submission_is_what_the_converter_of_llava_writes():
    items = VQAV2.read(official.question_files("vqav2"))
    answers = {str(row["question_id"]): row["text"] for row in official.read("vqav2", "llava_answers.jsonl")}
    name, content = VQAV2.submission(items, answers)
    expected = {row["question_id"]: row["answer"] for row in official.read("vqav2", "results_llava_converted.json")}
    assert {row["question_id"]: row["answer"] for row in json.loads(content)} == expected
    assert name.endswith(".json")
