"""What is shown of signals and annotations."""

import numpy as np
import polars as pl

from xmas_assets.report.describe_signals import describe_ratings, describe_signal, describe_tags
from xmas_assets.store.reading import Table
from xmas_assets.store.tables import write_tables
from xmas_assets_tests.store.signal_tables import NAN, write_signal


def test_rows_without_a_value_are_counted_by_reason(tmp_path):
    table = write_signal(tmp_path, [1.0, 2.0, NAN], [[3, 4], [NAN, NAN], [NAN, NAN]])
    shown = describe_signal(table, has_image=np.array([True, False, True]), notices=["one row was too long"])
    assert shown["rows with vector"] == 1
    assert shown["rows without vector"] == "1 text-only, 1 others (left out; see notices)"
    assert shown["rows without score"] == "0 text-only, 1 others (left out; see notices)"
    assert shown["notices"] == "one row was too long"
    assert "data:image/png;base64," in str(shown["distribution"])


def test_a_signal_without_any_value_is_shown_in_words(tmp_path):
    shown = describe_signal(write_signal(tmp_path, [NAN], [[NAN, NAN]]), has_image=np.array([False]))
    assert shown["distribution"] == "no row has a value"


def test_the_most_frequent_tags_come_first_and_equal_ones_by_name(tmp_path):
    write_tables(tmp_path, {"tags": pl.DataFrame({"tags": [["b", "c"], ["c", "a|b"], []]})})
    shown = describe_tags(Table.open(tmp_path / "tags.parquet"))
    assert (shown["rows with tags"], shown["rows without tags"], shown["different tags"]) == (2, 1, 3)
    assert str(shown["most frequent tags"]).splitlines()[2:] == ["| c | 2 |", "| a\\|b | 1 |", "| b | 1 |"]


def test_the_best_rated_subset_comes_first():
    ratings = pl.DataFrame({"subset": ["one", "two"], "rating": [0.5, 2.0], "rows": [[0, 1, 2], [3]]})
    assert str(describe_ratings(ratings)["ratings"]).splitlines()[2:] == ["| two | 1 | 2 |", "| one | 3 | 0.5 |"]
