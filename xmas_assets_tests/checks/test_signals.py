import numpy as np
import polars as pl
import pytest

from xmas_assets.checks.signals import check_gradients, check_lengths, check_ratings, check_signal, check_tags
from xmas_assets.store.reading import Table
from xmas_assets.store.tables import write_tables
from xmas_assets_tests.store.signal_tables import NAN, write_signal


def stored(folder, **columns) -> Table:
    write_tables(folder, {"table": pl.DataFrame(columns)})
    return Table.open(folder / "table.parquet")


def test_infinity_and_rows_that_are_nan_in_part_are_found(tmp_path):
    assert check_signal(write_signal(tmp_path / "good", [1.0, NAN], [[3, 4], [NAN, NAN]])) == []
    assert check_signal(write_signal(tmp_path / "bad", [float("inf"), 1.0], [[3, NAN], [1, -float("inf")]])) == [
        "1 rows of score hold infinity",
        "1 rows of vector hold infinity",
        "1 rows of vector are NaN in part",
    ]


def test_a_row_without_an_answer_token_is_found(tmp_path):
    assert check_lengths(stored(tmp_path / "good", n_answer_tokens=[1, 5])) == []
    [problem] = check_lengths(stored(tmp_path / "bad", n_answer_tokens=[1, 0, 0]))
    assert problem.startswith("2 rows have no answer token")


@pytest.mark.parametrize(
    ("ids", "tags", "problem"),
    [
        (["a", "b"], [["x"], []], None),
        (["b", "a"], [["x"], []], "the rows are not those of the dataset"),
        (["a"], [["x"]], "the rows are not those of the dataset"),
        (["a", "b"], [[], []], "no row has a tag"),
    ],
)
def test_tags_are_those_of_the_datasets_rows_and_some_row_has_one(tmp_path, ids, tags, problem):
    tagged = stored(tmp_path / "tags", sample_id=ids, tags=pl.Series(tags, dtype=pl.List(pl.String)))
    problems = check_tags(tagged, stored(tmp_path / "samples", sample_id=["a", "b"]))
    assert len(problems) == (problem is not None)
    assert problem is None or problems[0].startswith(problem)


@pytest.mark.parametrize(("ratings", "n_problems"), [([1.0, 2.0], 0), ([1.0, 1.0], 1)])
def test_ratings_that_do_not_differ_are_a_problem(tmp_path, ratings, n_problems):
    assert len(check_ratings(stored(tmp_path, rating=ratings))) == n_problems


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([[1.0, 2.0], [NAN, NAN]], None),
        ([[1.0, np.inf], [1.0, 2.0]], "1 rows hold infinity"),
        ([[NAN, 0.0]] * 2, "all 2 rows are without a gradient"),
    ],
)
def test_gradients_may_lack_rows_but_not_all_and_hold_no_infinity(tmp_path, rows, problem):
    values = pl.Series("projected", rows, dtype=pl.Array(pl.Float32, 2))
    problems = check_gradients(stored(tmp_path, projected=values))
    assert len(problems) == (problem is not None)
    assert problem is None or problem in problems[0]
