"""GQA against the official script and LLaVA's converter."""

import json

import pytest

from xmas_assets.evaluation.benchmarks.gqa import Gqa
from xmas_assets_tests.golden import official

GQA = Gqa()
DIVISIONS = {
    "structural": "accuracyPerStructuralType",
    "semantic": "accuracyPerSemanticType",
    "steps": "accuracyPerSteps",
    "words": "accuracyPerLength",
}


def _answers() -> dict[str, str]:
    return {row["question_id"]: row["text"] for row in official.read("gqa", "llava_answers.jsonl")}


def test_numbers_are_those_of_the_official_script():
    expected = official.read("gqa", "expected.json")
    items, answers = GQA.read(official.question_files("gqa")), _answers()
    assert GQA.headline(GQA.units(items, answers)) == pytest.approx(expected["accuracy"])
    parts = {f"answer_type/{name}": expected[name] for name in ("binary", "open")}
    parts |= {"distribution": expected["distribution"]}
    for division, key in DIVISIONS.items():
        parts |= {f"{division}/{name}": found["acc"] for name, found in expected[key].items()}
        counted = [item.categories[division] for item in items if item.details["is_balanced"]]
        assert {name: counted.count(name) for name in counted} == {
            name: found["n"] for name, found in expected[key].items()
        }
    assert GQA.parts(items, answers) == pytest.approx(parts)


def test_unbalanced_questions_are_submitted_and_count_nowhere():
    items, answers = GQA.read(official.question_files("gqa")), _answers()
    unbalanced = [item.item_id for item in items if not item.details["is_balanced"]]
    assert unbalanced
    without = {name: text for name, text in answers.items() if name not in unbalanced}
    assert GQA.parts(items, without) == GQA.parts(items, answers)
    assert len(json.loads(GQA.submission(items, without)[1])) == len(items)


def test_the_submission_is_what_the_converter_of_llava_writes():
    found = json.loads(GQA.submission(GQA.read(official.question_files("gqa")), _answers())[1])
    assert found == official.read("gqa", "testdev_balanced_predictions.json")


def test_prompts_are_those_of_llava():
    asked = {row["question_id"]: row["prompt"] for row in official.read("gqa", "llava_answers.jsonl")}
    assert {item.item_id: item.prompt for item in GQA.read(official.question_files("gqa"))} == asked
