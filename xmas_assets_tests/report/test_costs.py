import polars as pl

from xmas_assets.evaluation.cost_tables import break_even, cost_table
from xmas_assets.report.costs import COST_NOTE, cost_rows, cost_sentences

_SCHEMA = {"method": pl.String, "budget": pl.String, "seed": pl.Int64, "stage": pl.String}
_SCHEMA |= {"cpu_hours": pl.Float64, "gpu_hours": pl.Float64}
_ROWS = [("full", "1.00", 0, "train", 1.0, 10.0), ("full", "1.00", 0, "score", 0.0, 1.0)]
_ROWS += [("xmas", "0.20", 0, stage, 0.5, gpu) for stage, gpu in (("select", 3.0), ("train", 2.0), ("score", 1.0))]


def _table(rows: list) -> pl.DataFrame:
    return cost_table(pl.DataFrame(rows, schema=_SCHEMA, orient="row"))


def test_hours_are_shown_by_stage_and_device_and_as_a_share_of_full_data():
    """GPU: 3 + 2 + 1 = 6 of 11 hours, 55 %."""
    headings, xmas, _ = cost_rows(_table(_ROWS))
    shown = dict(zip(headings, xmas, strict=True))
    assert (shown["Budget"], shown["Select GPU h"], shown["Total GPU h"]) == ("20 %", "3", "6")
    assert (shown["Total CPU h"], shown["GPU of full"]) == ("1.5", "55 %")


def test_without_a_gpu_there_are_no_columns_of_one():
    headings, *_ = cost_rows(_table([(*row[:5], 0.0) for row in _ROWS]))
    assert not [heading for heading in headings if "GPU" in heading]


def test_the_budget_up_to_which_a_method_pays_is_said():
    """GPU hours: 6 at 20 %, 14 with all data; 11 lie at 20 % + 5/8 of the other 80 %: 70 %."""
    assert cost_sentences(break_even(_table(_ROWS))) == [
        "xmas takes no more GPU hours than training on everything up to 70 % of the data.",
        COST_NOTE,
    ]
    dear = [*_ROWS[:2], ("xmas", "0.20", 0, "select", 0.0, 20.0)]
    first, _ = cost_sentences(break_even(_table(dear)))
    assert first == "xmas takes more GPU hours than training on everything, even at the smallest budget."
    first, _ = cost_sentences(break_even(_table(_ROWS[2:])))
    assert first.startswith("xmas: training on everything was not measured")
