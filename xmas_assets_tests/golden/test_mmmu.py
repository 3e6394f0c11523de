"""MMMU against its evaluation scripts."""

import json
from pathlib import Path

import pytest

from xmas_assets.evaluation.benchmarks.base import Files
from xmas_assets.evaluation.benchmarks.mmmu import Mmmu
from xmas_assets.evaluation.benchmarks.mmmu_answers import is_right, normal_forms, numbers_in, read_choice, readings
from xmas_assets_tests.golden import official

MMMU = Mmmu()


def _answers(files: Files) -> dict[str, str]:
    rows = [
        row for path in files.questions for row in official.read("mmmu", path.relative_to(official.FOLDER / "mmmu"))
    ]
    return {row["id"]: row["response"] for row in rows}


def test_numbers_are_found_and_normalised_as_in_the_official_script():
    for case in official.read("mmmu", "expected.json")["number_cases"]:
        assert numbers_in(case["text"]) == case["extract_numbers"], case
        assert normal_forms(case["text"]) == case["normalize"], case


def test_answers_are_read_and_scored_as_in_the_official_script():
    files = official.question_files("mmmu")
    items, answers = MMMU.read(files), _answers(files)
    expected = official.read("mmmu", "expected.json")["items"]
    assert {item.item_id for item in items} == set(expected)
    for item in items:
        answer, wanted = answers[item.item_id], expected[item.item_id]
        if item.details["options"]:
            assert read_choice(answer, item.details["options"]) == wanted["parsed"], item
        else:
            found = readings(answer)
            assert (set(found), len(found)) == (set(wanted["parsed"]), len(wanted["parsed"])), item
        assert MMMU.score(item, answer) == (wanted["judge"] == "Correct"), item


def test_accuracies_are_those_of_the_official_scripts():
    files = official.question_files("mmmu")
    items, answers = MMMU.read(files), _answers(files)
    expected = official.read("mmmu", "expected.json")
    parts = MMMU.parts(items, answers)
    subjects = {f"subject/{name}": 100 * found["acc"] for name, found in expected["per_subject"].items()}
    assert {name: value for name, value in parts.items() if name.startswith("subject/")} == pytest.approx(subjects)
    table = dict(expected["eval_only_table"])
    overall = table.pop("Overall")
    assert MMMU.headline(MMMU.units(items, answers)) == pytest.approx(100 * overall["acc"], abs=0.0501)
    for name, found in table.items():
        domain = name.removeprefix("Overall-")
        part = f"subject/{name}" if domain == name else f"domain/{domain}"
        assert parts.pop(part) == pytest.approx(100 * found["acc"], abs=0.0501), name
        assert found["num"] == sum(part.split("/")[1] in item.categories.values() for item in items), name
    assert parts == {"guessed": 0}


def test_parsed_answers_score_as_their_texts_do():
    items = {item.item_id: item for item in MMMU.read(official.question_files("mmmu"))}
    parsed = official.read("mmmu", "total_output.json")
    expected = official.read("mmmu", "expected.json")["items"]
    for name, truth in official.read("mmmu", "answer_dict.json").items():
        wanted = truth["ground_truth"] if isinstance(truth["ground_truth"], list) else [truth["ground_truth"]]
        assert items[name].references == tuple(wanted)
        is_choice = truth["question_type"] == "multiple-choice"
        right = parsed[name] in wanted if is_choice else is_right(parsed[name], wanted)
        assert right == (expected[name]["judge"] == "Correct"), name
        assert MMMU.score(items[name], parsed[name]) == right, name


def test_answers_for_which_the_official_script_draws_an_option_are_listed(tmp_path: Path):
    cases = official.read("mmmu", "expected.json")["random_fallback"]
    path = tmp_path / "output.json"
    path.write_text(json.dumps(cases), encoding="utf-8")
    items = MMMU.read(Files(questions=(path,)))
    answers = {case["id"]: case["response"] for case in cases}
    assert MMMU.guessed(items, answers) == [case["id"] for case in cases]
    chances = {case["id"]: 1 / len(case["all_choices"]) for case in cases}
    assert MMMU.score_all(items, answers) == chances
    assert MMMU.parts(items, answers)["guessed"] == 100
