"""MMBench's table: images that stand for others, gaps among the options, rotations without an answer."""

from pathlib import Path

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import Files, Item
from xmas_assets.evaluation.benchmarks.mmbench import MmbenchEn, read_option

HEAD = "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage\tl2-category"
FIRST = "7\tWhich?\t\tcat\tdog\t\tfish\tA\tocr\taW1hZ2U=\tcoarse_perception"
ROTATED = "1000007\tWhich?\tLook.\tdog\tcat\t\tfish\tB\tocr\t7\tcoarse_perception"


def _read(tmp_path: Path, *rows: str) -> list[Item]:
    path = tmp_path / "mmbench.tsv"
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return MmbenchEn().read(Files(questions=(path,)))


def test_an_image_that_is_an_index_is_that_rows_image(tmp_path: Path):
    first, rotated = _read(tmp_path, FIRST, ROTATED)
    assert first.images == rotated.images == (b"image",)


def test_the_prompt_ends_at_the_first_option_that_is_not_given(tmp_path: Path):
    first, rotated = _read(tmp_path, FIRST, ROTATED)
    ending = "\nAnswer with the option's letter from the given choices directly."
    assert first.prompt == "Which?\nA. cat\nB. dog" + ending
    assert rotated.prompt == "Look.\nWhich?\nA. dog\nB. cat" + ending


def test_a_question_counts_only_where_every_rotation_was_answered(tmp_path: Path):
    items = _read(tmp_path, FIRST, ROTATED)
    assert MmbenchEn().units(items, {"7": "A"}) == []
    assert MmbenchEn().headline(MmbenchEn().units(items, {"7": "A", "1000007": "B"})) == 100
    assert MmbenchEn().headline(MmbenchEn().units(items, {"7": "A", "1000007": "C"})) == 0


@pytest.mark.parametrize(("old", "new"), [("aW1hZ2U=", "%"), ("7\t", "seven\t")])
def test_a_row_that_is_not_official_is_one_line(tmp_path: Path, old: str, new: str):
    with pytest.raises(DatasetError, match="row 1") as refused:
        _read(tmp_path, FIRST.replace(old, new, 1))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("B as I say", "B"),
        ("B as I said before", None),
        ("The answer is B as I said before", "B"),
        ("the answer is blue", "B"),  # a slip of the official pattern
        ("the answer is d", None),
        ("A or B", None),
        ("A B A", None),
        ("Z", "Z"),
        ("I'm sorry, but without the image provided, no. B", "Z"),
        ("It shows a Tabby Cat", "A"),
        ("It shows a tabby cat, and no dog at all", None),
        ("It shows a tabby cat, as everyone who has eyes can see", None),  # too long
    ],
)
def test_answers_are_read_by_letter_then_by_text(answer: str, read: str | None):
    assert read_option(answer, {"A": "tabby cat", "B": "dog"}) == read
