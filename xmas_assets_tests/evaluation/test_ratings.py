"""The sheet on which people rate answers, and what comes back on it."""

import csv
import io
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.owleval import Owleval
from xmas_assets.evaluation.ratings import rated_answers, read_ratings, sheet
from xmas_assets_tests.golden import official

ITEMS = Owleval().read(official.question_files("owleval"))
MODELS = [{"1": 'It says "no",\nand is red', "4": "Yes."}, {"1": "=HYPERLINK(A1)", "4": "Yes."}]
ANSWERS = rated_answers(ITEMS, MODELS)


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def filled(path: Path, ratings: list[str]) -> Path:
    """The sheet with these ratings from top to bottom."""
    rows = rows_of(sheet(ANSWERS, seed=0))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"rating": rating} for row, rating in zip(rows, ratings, strict=True))
    return path


def test_answers_that_several_models_gave_are_one_row_and_no_model_is_named():
    rows = rows_of(sheet(ANSWERS, seed=0))
    assert sorted(row["answer"] for row in rows) == ["'=HYPERLINK(A1)", 'It says "no",\nand is red', "Yes."]
    assert list(rows[0]) == ["answer_id", "image", "question", "answer", "rating"]
    assert rows_of(sheet(rated_answers(ITEMS, MODELS[::-1]), seed=0)) == rows


def test_the_order_is_that_of_the_seed():
    orders = {tuple(row["answer_id"] for row in rows_of(sheet(ANSWERS, seed=seed))) for seed in range(20)}
    assert len(orders) > 2
    assert sheet(ANSWERS, seed=3) == sheet(ANSWERS, seed=3)


def test_ratings_come_back_by_answer(tmp_path: Path):
    path = filled(tmp_path / "rated.csv", ["A", " b ", "D"])
    ids = [row["answer_id"] for row in rows_of(path.read_bytes())]
    assert read_ratings(path, known=ANSWERS, benchmark=Owleval()) == dict(zip(ids, "ABD", strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(ANSWERS[0].answer_id, "0" * 16), "is none of 3 known ones"),
        (lambda text: text.replace(ANSWERS[0].answer_id, ANSWERS[1].answer_id), "is rated twice"),
        (lambda text: text.replace(",D\r\n", ",\r\n"), "has no rating"),
        (lambda text: text.replace(",D\r\n", ",E\r\n"), "rating 'E' is not on the scale of OwlEval"),
        (lambda text: text.splitlines()[0] + "\n", "has no rating; rate its answers first"),
        (lambda text: "a,b\n1,2\n", "has no 'answer_id'"),
        (lambda text: "answer_id,rating\n1\n", "cells"),
    ],
)
def test_a_sheet_with_a_fault_is_one_line(tmp_path: Path, change, message: str):
    path = filled(tmp_path / "rated.csv", ["A", "B", "D"])
    path.write_bytes(change(path.read_bytes().decode()).encode())
    with pytest.raises(DatasetError, match=message) as refused:
        read_ratings(path, known=ANSWERS, benchmark=Owleval())
    assert "\n" not in str(refused.value)
