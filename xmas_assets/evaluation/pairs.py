"""Two selections compared on each benchmark: the paired difference of their headlines, or why there is none to tell."""

import math
from collections.abc import Iterable
from typing import Any

import polars as pl

from xmas_assets.core.statistics import holm
from xmas_assets.evaluation.benchmark_resamples import Headlines, Scored
from xmas_assets.evaluation.comparison import benchmark_row, bounded, interval_columns

_SCHEMA = {
    "benchmark": pl.String,
    "coverage": pl.Float64,
    "comparable": pl.Boolean,
    "why_not": pl.String,
    "first": pl.Float64,
    "second": pl.Float64,
    "difference": pl.Float64,
    "difference_low": pl.Float64,
    "difference_high": pl.Float64,
    "p": pl.Float64,
    "outcome": pl.String,
    "n_seeds": pl.Int64,
}


def compare_pair(
    scored: Iterable[Scored], first: tuple[str, str], second: tuple[str, str], *, n_resamples: int = 2000
) -> pl.DataFrame:
    """Two methods on the same resampled questions and seeds, benchmark by benchmark.

    Args:
        scored: What was scored on each benchmark, full data too if it was; they are read one after the other.
        first: Method and budget (decimal string).
        second: Method and budget to subtract.
        n_resamples: Bootstrap resamples.

    Returns:
        One row per benchmark: ``coverage``, the share of its questions that take part; ``first`` and ``second``
        (headlines on the benchmark's scale, over their ``n_seeds`` common seeds); ``difference*`` with its 95 %
        interval and ``p``, corrected for the number of comparisons by Holm; ``outcome``: win, tie or loss of the first,
        where the interval is above, around or below 0. Where ``comparable`` is false, ``why_not`` says why, and there
        is neither ``p`` nor ``outcome``.
    """
    rows = [_row(Headlines(each, n_resamples=n_resamples), first, second) for each in scored]
    table = pl.DataFrame(rows, schema=_SCHEMA)
    corrected = holm(table["p"].fill_null(math.nan).to_numpy())
    return table.with_columns(p=pl.Series(corrected, dtype=pl.Float64).fill_nan(None))


def _row(head: Headlines, first: tuple[str, str], second: tuple[str, str]) -> dict[str, Any]:
    of_benchmark = benchmark_row(head)
    row: dict[str, Any] = {"benchmark": head.name, "coverage": head.coverage, "comparable": False}
    seeds = tuple(seed for seed in head.seeds(*first) if seed in head.seeds(*second))
    if not head.coverage:
        return row | {"why_not": "no question was answered by all of them"}
    for method, budget in (first, second):
        if not head.seeds(method, budget):
            return row | {"why_not": f"{method}@{budget} was not scored"}
    if not seeds:
        return row | {"why_not": "they have no seed in common"}
    one, other = (head.of(*selection, seeds=seeds) for selection in (first, second))
    gap = bounded([head], one - other, n_seeds=len(seeds))
    row |= {"first": float(one[0]), "second": float(other[0]), "n_seeds": len(seeds)}
    row |= interval_columns("difference", gap)
    if not of_benchmark["comparable"]:
        return row | {"why_not": "full data is not above the blind baselines beyond chance"}
    if math.isnan(gap.low):
        return row | {"why_not": "there are too few images for an interval"}
    outcome = "win" if gap.low > 0 else "loss" if gap.high < 0 else "tie"
    return row | {"comparable": True, "p": gap.p_value(), "outcome": outcome}
