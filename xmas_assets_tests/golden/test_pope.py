"""POPE against the official script."""

import pytest

from xmas_assets.evaluation.benchmarks.pope import Pope, says_no
from xmas_assets_tests.golden import official

POPE = Pope()


def test_answers_are_read_as_the_official_script_reads_them():
    answers = [row["text"] for row in official.read("pope", "llava_answers.jsonl")]
    expected = official.read("pope", "expected.json")["item_reading"]
    assert ["no" if says_no(answer) else "yes" for answer in answers] == expected


def test_measures_are_those_of_the_official_script():
    items = POPE.read(official.question_files("pope"))
    expected = official.read("pope", "expected.json")
    answers = {}
    for category in ("random", "popular", "adversarial"):
        asked = [item.item_id for item in items if item.categories["category"] == category]
        said = official.read("pope", f"original_answers_{category}.json")
        answers |= zip(asked, (row["answer"] for row in said), strict=True)
    parts = POPE.parts(items, answers)
    for category, measures in expected["original"].items():
        for name in ("accuracy", "precision", "recall", "f1", "yes_ratio"):
            assert parts[f"{category}/{name}"] == pytest.approx(100 * measures[name], abs=1e-7), (category, name)
    for name, value in expected["mean_of_categories"].items():
        assert parts[name] == pytest.approx(100 * value, abs=1e-7), name
    assert POPE.headline(POPE.units(items, answers)) == pytest.approx(100 * expected["mean_of_categories"]["f1"])
