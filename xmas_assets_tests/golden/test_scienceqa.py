"""ScienceQA against LLaVA's script."""

import dataclasses
import json

import pytest

from xmas_assets.evaluation.benchmarks.scienceqa import Scienceqa, option_of
from xmas_assets_tests.golden import official

SCIENCEQA = Scienceqa()


def _answers() -> dict[str, str]:
    return {row["question_id"]: row["text"] for row in official.read("scienceqa", "llava_answers.jsonl")}


def test_each_answer_is_read_and_scored_as_the_script_does():
    expected = official.read("scienceqa", "expected.json")["items"]
    items, answers = {item.item_id: item for item in SCIENCEQA.read(official.question_files("scienceqa"))}, _answers()
    assert set(items) == set(expected)
    for name, told in expected.items():
        answer = answers.get(name, "")  # the script takes a missing answer for a failed one
        assert (option_of(answer) or "FAILED") == told["parsed"], answer
        assert items[name].references == (told["truth"],)
        assert SCIENCEQA.score(items[name], answer) == told["correct"], answer


def test_accuracies_are_those_of_the_script():
    expected = official.read("scienceqa", "expected.json")
    items, answers = SCIENCEQA.read(official.question_files("scienceqa")), _answers()
    answered_or_empty = {item.item_id: answers.get(item.item_id, "") for item in items}
    assert SCIENCEQA.parts(items, answered_or_empty)["accuracy"] == pytest.approx(expected["acc"])
    assert len(items) == expected["count"]
    # The script takes from the prompt whether there was an image; where it lost the mark, there was none.
    seen = [
        item if expected["items"][item.item_id]["counted_as_image"] else dataclasses.replace(item, images=())
        for item in items
    ]
    units = SCIENCEQA.units(seen, answers)
    assert len(units) == expected["img_count"]
    assert SCIENCEQA.headline(units) == pytest.approx(expected["img_acc"])


def test_the_submission_is_what_the_script_reads():
    items = SCIENCEQA.read(official.question_files("scienceqa"))
    problems = official.read("scienceqa", "problems.json")
    lines = [json.loads(line) for line in SCIENCEQA.submission(items, _answers())[1].decode().splitlines()]
    assert [line["question_id"] for line in lines] == [item.item_id for item in items]
    for line in lines:
        problem = problems[line["question_id"]]
        assert line["prompt"].startswith("<image>\n") == bool(problem["image"])
        assert f"\nB. {problem['choices'][1]}\n" in line["prompt"]
        assert line["prompt"].endswith("\nAnswer with the option's letter from the given choices directly.")
        assert line["text"] == _answers().get(line["question_id"], "")
