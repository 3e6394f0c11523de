"""What becomes of single rows: fields that are carried, and texts cut where pictures stand."""

import pytest

from xmas_assets.data.trainers.columns import Columns
from xmas_assets.data.trainers.rows import cut_at_marks

FIELDS = [
    ([1, 2, None], "int64", [1, 2, None]),
    ([1.5, None, 2.0], "float64", [1.5, None, 2.0]),
    ([1, 1.5], "string", ["1", "1.5"]),
    ([True, False], "bool", [True, False]),
    ([True, 1], "string", ["true", "1"]),
    (["a", "b"], "string", ["a", "b"]),
    (["a", 1], "string", ['"a"', "1"]),
    ([{"x": 1}, None], "string", ['{"x":1}', None]),
    ([2**63, 1], "string", ["9223372036854775808", "1"]),
    ([b"\x00\xff", None], "string", ['"AP8="', None]),
    ([None, None], None, None),
]


@pytest.mark.parametrize(("values", "kind", "expected"), FIELDS, ids=[str(values) for values, _, _ in FIELDS])
def test_a_field_has_one_type_in_all_rows_and_is_json_text_where_it_has_none(values, kind, expected):
    columns = Columns("typed", taken=())
    for value in values:
        columns.note({"field": value})
    columns.settle()
    assert columns.types == ({"field": kind} if kind else {})
    assert columns.lost == ({} if kind else {"field": "it is empty in every row"})
    if kind:
        assert [columns.values({"field": value})["field"] for value in values] == expected


def test_no_two_fields_take_one_column():
    columns = Columns("typed", taken={"score"})
    columns.note({"score": 1, "source_score": "x", "free": 2})
    columns.settle()
    assert columns.values({"score": 1, "source_score": "x", "free": 2}) == {
        "source_score": 1,
        "source_source_score": "x",
        "free": 2,
    }


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<image>\nWhat?", [None, "What?"]),
        ("What?\n<image>", ["What?", None]),
        ("<image>\n<image>\nAlike?", [None, None, "Alike?"]),
        ("Is <image> blue?", ["Is ", None, " blue?"]),
        ("<image>\n\nA gap.", [None, "\nA gap."]),
        ("<image>", [None]),
        ("a\n<image>\nb", ["a", None, "b"]),
        ("no picture\n", ["no picture\n"]),
        ("", []),
    ],
)
def test_a_text_is_cut_where_pictures_stand(text, parts):
    assert cut_at_marks(text) == parts
