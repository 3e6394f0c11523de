"""What training rows share with items, over kinds of rows, questions and pictures."""

import polars as pl
import pytest

from xmas_assets.contracts.contamination import KINDS
from xmas_assets.evaluation.contamination import (
    COUNT_SCHEMA,
    ROW_SCHEMA,
    Records,
    asked_by_turns,
    contamination,
)

SCHEMA = {
    "sample_id": pl.String,
    "image_hashes": pl.List(pl.String),
    "turns": pl.List(pl.Struct({"role": pl.String, "text": pl.String})),
}
NEAR = ("image", "other", "distance")
Row = tuple[str, list[str], list[str]]


def records(rows: list[Row]) -> Records:
    """Records of id, pictures and questions."""
    turns = [
        [turn for text in texts for turn in ({"role": "user", "text": text}, {"role": "assistant", "text": "yes"})]
        for _, _, texts in rows
    ]
    columns = {"sample_id": [row[0] for row in rows], "image_hashes": [row[1] for row in rows], "turns": turns}
    return Records.of(pl.LazyFrame(columns, schema=SCHEMA), questions=asked_by_turns())


def shared(train: list[Row], items: list[Row], near: list[tuple[str, str, int]] = []) -> list[tuple]:  # noqa: B006
    pairs = pl.DataFrame(near, schema={"image": pl.String, "other": pl.String, "distance": pl.Int64}, orient="row")
    return contamination(records(train), records(items), pairs)[0].rows()


ITEM: Row = ("q1", ["sun"], ["Is the sky blue?"])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("r", ["sun"], ["<image>\nIs the sky blue?"]), {"same_image": 0, "same_question": 0, "same_text": None}),
        (("r", ["sun"], ["What is it?"]), {"same_image": 0}),
        (("r", ["moon"], ["Is the sky blue?"]), {"same_text": None}),
        (("r", [], ["Is the sky blue?"]), {"same_text": None}),
        (("r", ["dawn"], ["Is the sky blue?"]), {"near_image": 4, "same_question": 4, "same_text": None}),
        (("r", ["moon", "sun"], ["Which differ?"]), {"same_image": 0}),
        (("r", ["moon"], ["What is it?", "Is the sky blue?"]), {"same_text": None}),
        (("r", ["moon"], ["What is it?"]), {}),
    ],
    ids=["all", "picture", "words", "text only", "near", "one of two pictures", "later turn", "nothing"],
)
def test_a_row_shares_pictures_and_words_by_kind(row, expected):
    found = shared([row], [ITEM], [("dawn", "sun", 4)])
    assert {kind: distance for _, kind, _, distance in found} == expected
    assert {item for _, _, item, _ in found} <= {"q1"}


@pytest.mark.parametrize(
    "text",
    [
        "is the sky blue",
        "IS THE SKY BLUE?!",
        "  Is the\tsky  blue ?",
        "«Is the sky, blue»",
        "Ｉｓ　ｔｈｅ　ｓｋｙ　ｂｌｕｅ？",
        "Is the sky blue?\nAnswer the question using a single word or phrase.",
    ],
)
def test_case_punctuation_blanks_width_and_a_hint_make_no_other_question(text):
    assert [kind for _, kind, _, _ in shared([("r", [], [text])], [ITEM])] == ["same_text"]


@pytest.mark.parametrize(("one", "other"), [("2 + 2?", "2 2?"), ("天空是蓝色的吗", "天空是绿色的吗"), ("not", "nöt")])
def test_other_signs_letters_and_accents_make_another_question(one, other):
    assert shared([("r", [], [one])], [("q", ["sun"], [other])]) == []


@pytest.mark.parametrize("text", ["", "<image>", "?!", "\n"])
def test_a_question_without_words_is_like_no_other(text):
    assert shared([("r", ["moon"], [text])], [("q", ["sun"], [text])]) == []


def test_a_text_question_without_picture_on_both_sides_is_the_whole_question():
    found = shared([("r", [], ["2 + 2?"])], [("q", [], ["2 + 2?"])])
    assert found == [("r", "same_question", "q", 0), ("r", "same_text", "q", None)]


def test_the_nearest_item_is_listed_and_of_equally_near_ones_the_first():
    items: list[Row] = [("q3", ["far"], ["a"]), ("q2", ["close"], ["b"]), ("q1", ["close"], ["c"])]
    near = [("dawn", "far", 6), ("dawn", "close", 2)]
    assert shared([("r", ["dawn"], ["d"])], items, near) == [("r", "near_image", "q1", 2)]


def test_rows_and_items_are_counted_once_for_each_kind():
    train: list[Row] = [("a", ["sun"], ["x"]), ("b", ["sun", "sun"], ["x", "x"]), ("c", [], ["y"])]
    items: list[Row] = [("q1", ["sun"], ["x"]), ("q2", ["sun", "moon"], ["z"]), ("q3", ["star"], ["x"])]
    _, counts = contamination(records(train), records(items), pl.DataFrame(schema=dict.fromkeys(NEAR, pl.String)))
    assert counts.rows() == [("same_question", 2, 1), ("same_image", 2, 2), ("near_image", 0, 0), ("same_text", 2, 2)]


def test_the_order_of_rows_and_items_changes_nothing():
    train: list[Row] = [(f"r{n}", [f"p{n % 3}"], [f"t{n % 2}"]) for n in range(9)]
    items: list[Row] = [(f"q{n}", [f"p{n % 2}"], [f"t{n % 3}"]) for n in range(6)]
    near = [("p2", "p0", 2), ("p2", "p1", 2)]
    assert shared(train[::-1], items[::-1], near[::-1]) == shared(train, items, near) != []


@pytest.mark.parametrize(("train", "items"), [([], [ITEM]), ([ITEM], []), ([], [])])
def test_nothing_shares_nothing(train, items):
    none = pl.DataFrame(schema=dict.fromkeys(NEAR, pl.String))
    rows, counts = contamination(records(train), records(items), none)
    assert (rows.rows(), rows.schema) == ([], ROW_SCHEMA)
    assert (counts.rows(), counts.schema) == ([(kind, 0, 0) for kind in KINDS], COUNT_SCHEMA)
