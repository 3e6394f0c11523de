"""MMMU's Parquet files, which hold the images and write lists as Python does."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import Files, Item
from xmas_assets.evaluation.benchmarks.mmmu import Mmmu

CHOICE = {
    "id": "validation_Art_Theory_1",
    "question": "Who painted <image 1> and <image 2>?",
    "options": "['Ann', \"O'Neil\"]",
    "answer": "B",
    "question_type": "multiple-choice",
    "image_1": {"bytes": b"one", "path": None},
    "image_2": {"bytes": b"two", "path": None},
    "image_3": None,
}
OPEN = CHOICE | {
    "id": "validation_Math_12",
    "question": "How long?",
    "options": "[]",
    "answer": "['12', 'twelve']",
    "question_type": "short-answer",
    "image_2": None,
}


def _read(tmp_path: Path, *rows: dict[str, object]) -> list[Item]:
    path = tmp_path / "validation-00000-of-00001.parquet"
    parquet.write_table(pa.Table.from_pylist(list(rows)), path)
    return Mmmu().read(Files(questions=(path,)))


def test_parquet_files_are_read_with_their_images(tmp_path: Path):
    choice, open_one = _read(tmp_path, CHOICE, OPEN)
    assert (choice.images, open_one.images) == ((b"one", b"two"), (b"one",))
    assert (choice.references, open_one.references) == (("B",), ("12", "twelve"))
    assert choice.categories == {"subject": "Art_Theory", "domain": "Art and Design"}
    assert choice.prompt == (
        "Who painted <image 1> and <image 2>?\n(A) Ann\n(B) O'Neil\n\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert open_one.prompt == "How long?\nAnswer the question using a single word or phrase."
    assert Mmmu().score_all([choice, open_one], {choice.item_id: "(B)", open_one.item_id: "It is 12."}) == {
        choice.item_id: 1,
        open_one.item_id: 1,
    }


def test_questions_of_the_test_split_have_no_answer(tmp_path: Path):
    (item,) = _read(tmp_path, CHOICE | {"id": "test_Art_1", "answer": "?"})
    assert item.references == ()


@pytest.mark.parametrize(
    "broken", [{"options": "['Ann'"}, {"options": "open('x')"}, {"options": "[]"}, {"answer": None}]
)
def test_a_row_that_is_not_official_is_one_line(tmp_path: Path, broken: dict[str, object]):
    with pytest.raises(DatasetError, match=r"\[0\]") as refused:
        _read(tmp_path, CHOICE | broken)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_parquet_is_one_line(tmp_path: Path):
    path = tmp_path / "validation.parquet"
    path.write_bytes(b"no table")
    with pytest.raises(DatasetError, match="not Parquet") as refused:
        Mmmu().read(Files(questions=(path,)))
    assert "\n" not in str(refused.value)
