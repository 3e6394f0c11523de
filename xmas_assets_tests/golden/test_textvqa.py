"""TextVQA against LLaVA's script."""

import json
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import Files
from xmas_assets.evaluation.benchmarks.textvqa import Textvqa
from xmas_assets_tests.golden import official

TEXTVQA = Textvqa()


def test_scores_are_those_of_the_script_of_llava():
    expected = official.read("textvqa", "expected.json")
    items = {item.item_id: item for item in TEXTVQA.read(official.question_files("textvqa"))}
    answers = {}
    for line, told in zip(official.read("textvqa", "llava_answers.jsonl"), expected["per_line"], strict=True):
        item = items[str(told["annotation_question_id"])]
        assert item.details["image_id"] == line["question_id"]
        assert TEXTVQA.score(item, line["text"]) == pytest.approx(told["score"]), line
        answers[item.item_id] = line["text"]
    headline = TEXTVQA.headline(TEXTVQA.units(list(items.values()), answers))
    assert headline == pytest.approx(100 * expected["accuracy_fraction"])
    assert f"Accuracy: {headline:.2f}%" in expected["stdout"] and f"Samples: {len(answers)}" in expected["stdout"]


def test_prompts_are_those_of_llava():
    items = TEXTVQA.read(official.question_files("textvqa"))
    prompts = {(item.details["image_id"], item.question.lower()): item.prompt.lower() for item in items}
    asked = [row for row in official.read("textvqa", "llava_answers.jsonl") if row["prompt"].count("\n") == 2]
    asked = [row for row in asked if not row["prompt"].startswith("Reference OCR token")]
    assert asked
    for row in asked:
        assert prompts[row["question_id"], row["prompt"].split("\n")[0].lower()] == row["prompt"].lower()


def test_the_submission_leads_from_a_line_back_to_its_question():
    items = TEXTVQA.read(official.question_files("textvqa"))
    lines = TEXTVQA.submission(items, {items[0].item_id: "two"})[1].decode().splitlines()
    first, *others = [json.loads(line) for line in lines]
    assert (first["question_id"], first["text"]) == (items[0].details["image_id"], "two")
    assert first["prompt"].split("\n")[0] == items[0].question and first["prompt"].count("\n") == 2
    assert {row["text"] for row in others} == {""}


def _question(**fields: object) -> dict[str, object]:
    return {"question_id": 1, "question": "What year?", "image_id": "ab", "answers": ["1999"] * 10} | fields


def _file(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text(json.dumps({"data": rows}))
    return path


def test_words_of_an_ocr_file_stand_in_the_prompt(tmp_path):
    questions = _file(tmp_path / "val.json", _question(), _question(question_id=2, image_id="none"))
    words = _file(tmp_path / "ocr.json", {"image_id": "ab", "ocr_tokens": ["NIKON", "D40"]})
    with_words, without = TEXTVQA.read(Files(questions=(questions, words)))
    suffix = "\nAnswer the question using a single word or phrase."
    assert with_words.prompt == "What year?\nReference OCR token: NIKON, D40" + suffix
    assert without.prompt == "What year?" + suffix


def test_a_question_that_has_not_ten_answers_is_refused(tmp_path):
    path = _file(tmp_path / "val.json", _question(answers=["1999"] * 9))
    with pytest.raises(DatasetError, match="9 answers"):
        TEXTVQA.read(Files(questions=(path,)))
