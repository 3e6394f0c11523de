"""SEED-Bench against the script of LLaVA."""

import json

import pytest

from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.evaluation.benchmarks.seedbench import Seedbench
from xmas_assets_tests.golden import official

SEEDBENCH = Seedbench()


def _said() -> dict[str, dict[str, str]]:
    return {str(row["question_id"]): row for row in official.read("seedbench", "llava_answers.jsonl")}


def _answers(items: list[Item]) -> dict[str, str]:
    """An answer for every question; the official script counts a missing one as wrong, as an empty one is."""
    said = _said()
    return {item.item_id: said[item.item_id]["text"] if item.item_id in said else "" for item in items}


def test_accuracies_are_those_of_the_official_script():
    items = SEEDBENCH.read(official.question_files("seedbench"))
    expected = official.read("seedbench", "expected.json")
    answers = _answers(items)
    parts = {f"dimension/{name}": value for name, value in expected["per_dimension_percent"].items()}
    parts |= {f"data_type/{name}": expected[name] for name in ("image", "video")}
    assert SEEDBENCH.parts(items, answers) == pytest.approx(parts, abs=0.00501)
    assert SEEDBENCH.headline(SEEDBENCH.units(items, answers)) == pytest.approx(expected["total"], abs=0.00501)


def test_counts_of_right_answers_are_those_of_the_official_script():
    items = SEEDBENCH.read(official.question_files("seedbench"))
    scores = SEEDBENCH.score_all(items, _answers(items))
    counts: dict[str, list[int]] = {}
    for item in items:
        count = counts.setdefault(item.categories["dimension"], [0, 0])
        count[0] += int(scores[item.item_id])
        count[1] += 1
    assert counts == official.read("seedbench", "expected.json")["counts"]


def test_prompts_are_those_of_llava():
    items = {item.item_id: item for item in SEEDBENCH.read(official.question_files("seedbench"))}
    for name, row in _said().items():
        assert items[name].prompt == row["prompt"]


def test_the_submission_names_questions_as_their_file_does():
    files = official.question_files("seedbench")
    items = SEEDBENCH.read(files)
    questions = json.loads(files.questions[0].read_text(encoding="utf-8"))["questions"]
    answers = _answers(items)
    _, content = SEEDBENCH.submission(items, answers)
    rows = [json.loads(line) for line in content.decode().splitlines()]
    assert [row["question_id"] for row in rows] == [question["question_id"] for question in questions]
    assert [row["prediction"] for row in rows] == [answers[item.item_id] for item in items]
