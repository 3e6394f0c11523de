import polars as pl
import pytest

from xmas_assets.evaluation.cost_tables import break_even, cost_table

_SCHEMA = {"method": pl.String, "budget": pl.String, "seed": pl.Int64, "stage": pl.String}
_SCHEMA |= {"cpu_hours": pl.Float64, "gpu_hours": pl.Float64}


def _costs(*rows: tuple[str, str, int, str, float, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


_FULL = [("full", "1.00", 0, "train", 1.0, 10.0), ("full", "1.00", 0, "score", 0.0, 1.0)]
_XMAS = [
    ("xmas", budget, 0, stage, 0.5, gpu)
    for budget, train in (("0.20", 2.0), ("0.50", 5.0))
    for stage, gpu in (("select", 3.0), ("train", train), ("score", 1.0))
]


def test_hours_are_added_up_by_device_and_held_against_training_on_everything():
    """xmas at 20 %: 3 + 2 + 1 = 6 GPU hours of full data's 11, and 1.5 CPU hours of its 1."""
    row = cost_table(_costs(*_FULL, *_XMAS)).row(0, named=True)
    assert (row["method"], row["budget"]) == ("xmas", "0.20")
    assert [row[f"{stage}_gpu_hours"] for stage in ("select", "train", "score")] == [3.0, 2.0, 1.0]
    assert (row["total_gpu_hours"], row["total_cpu_hours"]) == (6.0, 1.5)
    assert (row["of_full_gpu"], row["of_full_cpu"]) == pytest.approx((6 / 11, 1.5))


def test_selection_pays_up_to_where_its_hours_are_those_of_everything():
    """6 hours at 20 %, 9 at 50 %, 11 + 3 = 14 with all data; 11 lie at 50 % + 2/5 of the other half: 70 %."""
    assert break_even(cost_table(_costs(*_FULL, *_XMAS))).rows() == [("xmas", "gpu", pytest.approx(0.7))]


def test_a_selection_that_costs_more_than_training_on_everything_never_pays():
    dear = [("xmas", "0.20", 0, "select", 0.0, 20.0), ("xmas", "0.20", 0, "train", 0.0, 2.0)]
    assert break_even(cost_table(_costs(*_FULL, *dear)))["budget"].to_list() == [0.0]


def test_a_selection_that_costs_nothing_pays_at_any_budget():
    free = [("random", "0.20", 0, "select", 0.0, 0.0), ("random", "0.20", 0, "train", 0.0, 2.0)]
    assert break_even(cost_table(_costs(*_FULL, *free)))["budget"].to_list() == [1.0]


def test_without_a_gpu_the_processor_counts():
    """CPU hours: full 4; xmas 1 at 50 %, of which 0.5 select, 4.5 with all data: 50 % + 3 / 3.5 of the other half."""
    rows = [("full", "1.00", 0, "train", 4.0, 0.0)]
    rows += [("xmas", "0.50", 0, "select", 0.5, 0.0), ("xmas", "0.50", 0, "train", 0.5, 0.0)]
    table = cost_table(_costs(*rows))
    assert break_even(table).rows() == [("xmas", "cpu", pytest.approx(0.5 + 0.5 * 3 / 3.5))]
    assert table["of_full_gpu"].to_list() == [None, None]


def test_hours_that_are_not_known_are_no_zero():
    """As in notes of before GPU hours were kept."""
    rows = [(*row[:5], None) for row in (*_FULL, *_XMAS)]
    table = cost_table(_costs(*rows))
    assert table["total_gpu_hours"].null_count() == len(table)
    assert break_even(table)["device"].to_list() == ["cpu"]


def test_hours_are_means_over_seeds_and_unmeasured_stages_are_null():
    rows = [("xmas", "0.20", seed, "train", hours, 0.0) for seed, hours in ((0, 1.0), (1, 3.0))]
    row = cost_table(_costs(*rows)).row(0, named=True)
    assert (row["train_cpu_hours"], row["select_cpu_hours"], row["total_cpu_hours"]) == (2.0, None, 2.0)
    assert row["of_full_cpu"] is None
    assert break_even(cost_table(_costs(*rows)))["budget"].to_list() == [None]
