"""A field of the original records, found by the places of the accepted rows."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.fields import field_values
from xmas_assets.data.registration import Registration


def record(number, **fields):
    return {"id": str(number), "conversations": [], **fields}


@pytest.fixture
def registration(tmp_path):
    """A list, lines with a blank and a broken one, both with the field in some records."""
    (tmp_path / "a.json").write_text(json.dumps([record(0, tags=["x"]), record(1), record(2, tags=None)]))
    lines = [json.dumps(record(3, tags="y")), "", "{broken", json.dumps(record(4, tags=["z", "x"]))]
    (tmp_path / "b.jsonl").write_text("\n".join(lines) + "\n")
    return Registration.create("ds", [tmp_path / "a.json", tmp_path / "b.jsonl"])


def test_each_row_gets_what_its_own_record_holds_refused_records_in_between_or_not(registration):
    """Places are (file, record): of the second file record 1 is the broken one (blank lines are none)."""
    assert list(field_values(registration, [(0, 0), (0, 2), (1, 0), (1, 2)], "tags")) == [["x"], None, "y", ["z", "x"]]
    assert list(field_values(registration, [(0, 1), (1, 2)], "tags")) == [None, ["z", "x"]]


def test_a_field_that_no_record_has_is_refused(registration):
    with pytest.raises(DatasetError, match="no record has a field 'labels'"):
        list(field_values(registration, [(0, 0), (1, 0)], "labels"))


def test_a_record_that_is_gone_is_told(registration):
    with pytest.raises(DatasetError, match="record 7 of source file 1 is gone"):
        list(field_values(registration, [(0, 0), (1, 7)], "tags"))


def test_a_parquet_column_is_a_field(tmp_path):
    table = pa.table({"conversations": [[], [], []], "tags": [["a"], [], ["b", "c"]]})
    pq.write_table(table, tmp_path / "a.parquet")
    registration = Registration.create("ds", [tmp_path / "a.parquet"])
    assert list(field_values(registration, [(0, 0), (0, 2)], "tags")) == [["a"], ["b", "c"]]
