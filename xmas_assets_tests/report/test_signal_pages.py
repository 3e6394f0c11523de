"""What is shown of a signal, and what must hold for it."""

import numpy as np
import polars as pl
import pytest

from xmas_assets.report.signal_pages import check_signal, describe_signal, row_lengths, signal_columns
from xmas_assets.store.reading import Table
from xmas_assets.store.tables import open_tables, write_tables

NAN = float("nan")


@pytest.fixture
def make(tmp_path):
    def write(scores: list[float], vectors: list[list[float]]) -> Table:
        values = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, 2))
        ids = [f"id{row}" for row in range(len(scores))]
        frame = pl.DataFrame({"row": range(len(scores)), "sample_id": ids, "score": scores}).with_columns(values)
        write_tables(tmp_path, {"signal": frame})
        return open_tables(tmp_path)["signal"]

    return write


def test_the_lengths_are_those_of_the_lists_and_nan_without_a_value(make):
    """(3, 4) has length 5."""
    table = make([1.0, 2.0, 3.0], [[3, 4], [NAN, NAN], [0, 2]])
    assert signal_columns(table) == ["score", "vector"]
    np.testing.assert_array_equal(row_lengths(table, "vector"), [5, NAN, 2])
    np.testing.assert_array_equal(row_lengths(table, "score"), [1, 2, 3])


def test_rows_without_a_value_are_counted_by_reason(make):
    table = make([1.0, 2.0, NAN], [[3, 4], [NAN, NAN], [NAN, NAN]])
    shown = describe_signal(table, has_image=np.array([True, False, True]), notices=["one row was too long"])
    assert shown["rows with vector"] == 1
    assert shown["rows without vector"] == "1 text-only, 1 others (too long to be read; see notices)"
    assert shown["rows without score"] == "0 text-only, 1 others (too long to be read; see notices)"
    assert shown["notices"] == "one row was too long"
    assert "data:image/png;base64," in str(shown["distribution"])


def test_a_signal_without_any_value_is_shown_in_words(make):
    shown = describe_signal(make([NAN], [[NAN, NAN]]), has_image=np.array([False]))
    assert shown["distribution"] == "no row has a value"


def test_infinity_and_rows_that_are_nan_in_part_are_found(make):
    assert check_signal(make([1.0, NAN], [[3, 4], [NAN, NAN]])) == []
    assert check_signal(make([float("inf"), 1.0], [[3, NAN], [1, -float("inf")]])) == [
        "1 rows of score hold infinity",
        "1 rows of vector hold infinity",
        "1 rows of vector are NaN in part",
    ]
