"""Why rows are kept or dropped: what every registered method says of every row."""

import numpy as np
import polars as pl
import pytest

import xmas_assets
from xmas_assets.selection.reasons import REASONS, Reasons, Standing
from xmas_assets.selection.registry import METHODS
from xmas_assets_tests.selection.cases import make_signals, reorder

CHOOSING = sorted(set(METHODS) - {"full"})
VARIANTS = [(name, {}) for name in CHOOSING] + [
    (name, {"variant": "reference"}) for name in CHOOSING if "variant" in METHODS[name].model_fields
]
N = 90


def explain(name, signals, budget, seed=0, **parameters) -> pl.DataFrame:
    return METHODS[name](**parameters).explain(signals, budget, seed)


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
@pytest.mark.parametrize("budget", [1, 31, N])
def test_the_rows_kept_are_those_chosen_and_the_best_ranked_of_their_groups(name, parameters, budget):
    signals = make_signals(N)
    table = explain(name, signals, budget, 3, **parameters)
    assert dict(table.schema) == REASONS
    assert table["row"].to_list() == list(range(N))
    assert table["sample_id"].to_list() == signals["sample_ids"].tolist()
    assert table.filter("kept")["row"].to_list() == METHODS[name](**parameters).select(signals, budget, 3).tolist()
    ranked = table.filter(pl.col("rank_in_group").is_not_null())
    assert (ranked["kept"] == (ranked["rank_in_group"] <= ranked["kept_of_group"])).all()
    groups = table.group_by("group").agg(pl.col("kept").sum(), pl.col("kept_of_group").unique())
    assert groups["kept"].to_list() == groups["kept_of_group"].explode().to_list()


@pytest.mark.parametrize("name", CHOOSING)
def test_every_row_has_a_rank_and_those_of_a_group_are_counted_from_1(name):
    table = explain(name, make_signals(N), 31)
    for _, group in table.group_by("group"):
        assert sorted(group["rank_in_group"]) == list(range(1, len(group) + 1))


@pytest.mark.parametrize("name", CHOOSING)
def test_a_score_has_a_name_and_only_a_method_without_one_gives_none(name):
    table = explain(name, make_signals(N), 31)
    named = table.filter(pl.col("score").is_not_null())["score_name"]
    assert set(named) == ({METHODS[name].score_name} - {""})
    assert table.filter(pl.col("score").is_null())["score_name"].null_count() == N - len(named)


@pytest.mark.parametrize("name", CHOOSING)
def test_a_kept_row_of_the_same_group_stands_for_a_dropped_one(name):
    table = explain(name, make_signals(N), 31)
    pairs = table.filter(pl.col("stands_for_row").is_not_null())
    assert not pairs["kept"].any()
    stand_ins = table[pairs["stands_for_row"].to_list()]
    assert stand_ins["kept"].all()
    assert stand_ins["group"].to_list() == pairs["group"].to_list()


@pytest.mark.parametrize("name", CHOOSING)
def test_the_order_of_the_rows_does_not_matter(name):
    signals = make_signals(N)
    shuffled = reorder(signals, np.random.default_rng(1).permutation(N))

    def by_id(table: pl.DataFrame) -> pl.DataFrame:
        stand_ins = table["sample_id"].gather(table["stands_for_row"])
        return table.with_columns(stands_for_row=stand_ins).drop("row").sort("sample_id")

    assert by_id(explain(name, signals, 31)).equals(by_id(explain(name, shuffled, 31)))


def test_xmas_says_cluster_instability_and_the_nearest_trajectory():
    """Two clusters, one row kept of each: rows 1 and 3, the steadier. Nearest to 0 is 1 and to 4 is 3, of their own."""
    sums = np.array([[1.0, 3.0], [1.0, 2.0], [9.0, 9.5], [9.0, 9.0], [8.0, 9.5]], dtype=np.float32)
    signals = {
        "sample_ids": np.array(list("abcde"), dtype=object),
        "cluster_label": np.array([0, 0, 1, 1, 1]),
        "instability": np.array([2.0, 1.0, 0.5, 0.0, 1.5]),
        "trajectories": sums[:, :, None],
    }
    table = explain("xmas", signals, 2)
    assert table["kept"].to_list() == [False, True, False, True, False]
    assert table["group"].to_list() == ["cluster 0", "cluster 0", "cluster 1", "cluster 1", "cluster 1"]
    assert table["rank_in_group"].to_list() == [2, 1, 2, 1, 3]
    assert table["kept_of_group"].to_list() == [1] * 5
    assert table["score"].to_list() == [2.0, 1.0, 0.5, 0.0, 1.5]
    assert table["stands_for_row"].to_list() == [1, None, 3, None, 3]


def test_a_ranking_says_score_and_rank_over_all_rows():
    signals = {"sample_ids": np.array(list("dcba"), dtype=object), "el2n": np.array([0.2, 0.9, 0.1, 0.5])}
    table = explain("el2n", signals, 1)
    assert table["rank_in_group"].to_list() == [3, 1, 4, 2]
    assert table["score"].to_list() == [0.2, 0.9, 0.1, 0.5]
    assert table["score_name"].to_list() == ["mean error norm"] * 4
    assert table["group"].null_count() == table["stands_for_row"].null_count() == 4


def test_rows_that_could_not_be_read_are_a_group_of_their_own():
    signals = make_signals(50)
    signals["el2n"][[4, 7]] = np.nan
    table = explain("el2n", signals, 25)
    unread = table.filter(group="could not be read")
    assert unread["row"].to_list() == [4, 7]
    assert sorted(unread["rank_in_group"]) == [1, 2]
    assert unread["kept_of_group"].to_list() == [0, 0]
    assert unread["score"].null_count() == 2


def test_excluded_rows_are_dropped_as_such_and_have_no_rank():
    signals = {"sample_ids": np.array(list("dcba"), dtype=object), "el2n": np.array([0.2, 0.9, 0.1, 0.5])}
    table = xmas_assets.El2n().explain(signals, 1, 0, excluded=np.array([1]))
    assert table["kept"].to_list() == [False, False, False, True]
    assert table["group"].to_list() == [None, "excluded", None, None]
    assert table["rank_in_group"].to_list() == [2, None, 3, 1]


def test_full_says_that_every_row_is_kept():
    table = explain("full", make_signals(10), 1.0)
    assert table["kept"].all()
    assert table.select("score", "group", "rank_in_group", "stands_for_row").null_count().row(0) == (10,) * 4


def test_a_row_without_a_place_in_the_order_has_no_rank():
    standing = Standing(np.array([2, 0]), np.zeros(3, dtype=np.int64))
    kept, names = np.array([False, False, True]), np.array(["x", "y", "z"], dtype=object)
    reasons = Reasons(names)
    reasons.add(np.array([2, 1, 0]), kept, standing)
    table = reasons.table()
    assert table["rank_in_group"].to_list() == [1, None, 2]
    assert table["sample_id"].to_list() == ["x", "y", "z"]
