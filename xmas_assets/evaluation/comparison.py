"""Methods compared over several benchmarks, as papers do it: Rel%, wins against random, and the data that is saved."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from xmas_assets.core.arrays import FloatArray
from xmas_assets.core.curves import NOT_REACHED, budgets_to_reach, middle_of, share_saved
from xmas_assets.core.statistics import Interval, can_be_compared, holm, interval_of, lowest
from xmas_assets.evaluation.benchmark_resamples import Headlines, Scored

LEVELS = (90.0, 95.0, 99.0)
"""Percent of full data's score at which the saved data is reported."""
ALL = "(all)"
"""Stands for the mean over benchmarks in the column ``benchmark``."""

_FULL = ("full", "1.00")
_ENDS = ("", "_low", "_high")


def _schema(**columns: type[pl.DataType]) -> dict[str, type[pl.DataType]]:
    """Columns of a table; a name that ends in ``__`` stands for an estimate and its interval."""
    named: dict[str, type[pl.DataType]] = {}
    for name, kind in columns.items():
        named |= {name[:-2] + end: kind for end in _ENDS} if name.endswith("__") else {name: kind}
    return named


_SELECTION = {"method": pl.String, "budget": pl.String}
_REL = {"rel__": pl.Float64, "rel_n_seeds": pl.Int64}
_RANDOM = {"vs_random__": pl.Float64, "vs_random_n_seeds": pl.Int64, "vs_random_p": pl.Float64}
_SCHEMAS = {
    "benchmarks": _schema(
        benchmark=pl.String,
        coverage=pl.Float64,
        comparable=pl.Boolean,
        full__=pl.Float64,
        full_n_seeds=pl.Int64,
        vs_blind__=pl.Float64,
    ),
    "selections": _schema(
        benchmark=pl.String,
        **_SELECTION,
        n_seeds=pl.Int64,
        headline__=pl.Float64,
        **_REL,
        **_RANDOM,
        vs_blind__=pl.Float64,
    ),
    "overall": _schema(
        **_SELECTION, n_benchmarks=pl.Int64, **_REL, **_RANDOM, wins=pl.Int64, ties=pl.Int64, losses=pl.Int64
    ),
    "seeds": _schema(benchmark=pl.String, **_SELECTION, seed=pl.Int64, headline=pl.Float64),
    "data_saved": _schema(
        benchmark=pl.String,
        method=pl.String,
        level=pl.Float64,
        n_seeds=pl.Int64,
        n_budgets=pl.Int64,
        reached=pl.Boolean,
        at_most=pl.Boolean,
        budget__=pl.Float64,
        saved__=pl.Float64,
        saved_bound=pl.String,
        saved_n_seeds=pl.Int64,
    ),
}


@dataclass(frozen=True)
class Comparison:
    """Tables of a comparison. Intervals are 95 %, ``*_low`` to ``*_high``; null where they cannot be estimated.

    Attributes:
        benchmarks: One row per benchmark: ``benchmark``, ``coverage``, ``full*`` (headline of full data), ``vs_blind*``
            (full data's minus that of the best blind baseline), and ``comparable``: whether that is above 0 beyond
            chance. A benchmark that is not takes no part in Rel%, wins and data saved; one whose models have no
            answered question in common (coverage 0) has no other rows.
        selections: One row per benchmark, method and budget, and for the blind baselines (null budget): ``headline*``
            on the benchmark's scale, ``n_seeds``; ``rel*`` in percent of full data with ``rel_n_seeds``;
            ``vs_random*``, the headline's difference from random at the same budget, with ``vs_random_n_seeds`` and
            ``vs_random_p`` (corrected for the number of comparisons in the table, by Holm); ``vs_blind*``.
        overall: One row per method and budget that was scored on every comparable benchmark: ``n_benchmarks``;
            ``rel*``, the mean of Rel% over benchmarks; ``vs_random*``, its difference in points of Rel%; ``wins``,
            ``ties`` and ``losses`` against random: benchmarks where the interval of the difference is above, around or
            below 0.
        data_saved: One row per benchmark (and ``ALL``), method of two budgets or more, and level (percent of full
            data's score): ``reached``; ``budget*``, the smallest share of the data that gets there, where ``at_most``
            says that it may be less, being the smallest that was tried; ``saved*``, the share of data saved against
            random at the same level, where ``saved_bound`` is ``>=`` or ``<=`` if only a bound is known. A null end
            lies beyond the budgets that were tried; nothing is extrapolated.
        seeds: One row per benchmark and trained model: ``headline`` on the questions that all have answered.
    """

    benchmarks: pl.DataFrame
    selections: pl.DataFrame
    overall: pl.DataFrame
    data_saved: pl.DataFrame
    seeds: pl.DataFrame


def compare(scored: Iterable[Scored], *, n_resamples: int = 2000) -> Comparison:
    """Compare all methods on all benchmarks, on the same resampled questions and seeds.

    Args:
        scored: What was scored on each benchmark; they are read one after the other.
        n_resamples: Bootstrap resamples.
    """
    heads = [Headlines(each, n_resamples=n_resamples) for each in scored]
    benchmarks = [benchmark_row(head) for head in heads]
    telling = [head for head, row in zip(heads, benchmarks, strict=True) if row["comparable"]]
    rows = [row for head in heads for row in _selection_rows(head, comparable=head in telling)]
    overall = [_overall_row(telling, selection, rows) for selection in _scored_on_all(telling)]
    groups = [(ALL, telling), *((head.name, [head]) for head in telling)] if telling else []
    saved = [row for name, group in groups for row in _saved_rows(name, group)]
    tables = {"benchmarks": benchmarks, "selections": rows, "overall": overall, "data_saved": saved}
    tables["seeds"] = [
        {"benchmark": head.name, **model._asdict(), "headline": score}
        for head in heads
        for model, score in head.of_models().items()
    ]
    return Comparison(
        **{name: _corrected(pl.DataFrame(table, schema=_SCHEMAS[name])) for name, table in tables.items()}
    )


def _corrected(table: pl.DataFrame) -> pl.DataFrame:
    if "vs_random_p" not in table.columns:
        return table
    p_values = table["vs_random_p"].fill_null(math.nan)
    return table.with_columns(vs_random_p=pl.Series(holm(p_values.to_numpy())).fill_nan(None))


def benchmark_row(head: Headlines) -> dict[str, Any]:
    """The row of ``Comparison.benchmarks``."""
    seeds = head.seeds(*_FULL)
    full = head.of(*_FULL, seeds=seeds) if seeds else None
    blind = None if full is None else _against_blind(head, full, n_seeds=len(seeds))
    row: dict[str, Any] = {"benchmark": head.name, "coverage": head.coverage}
    row["comparable"] = head.coverage > 0 and can_be_compared(blind)
    score = None if full is None else bounded([head], full, n_seeds=len(seeds), bounds=(0, head.maximum))
    return row | interval_columns("full", score) | {"full_n_seeds": len(seeds)} | interval_columns("vs_blind", blind)


def _selection_rows(head: Headlines, *, comparable: bool) -> Iterable[dict[str, Any]]:
    for selection in head.selections():
        method, budget = selection
        seeds = head.seeds(*selection)
        score = head.of(*selection, seeds=seeds)
        blind = _against_blind(head, score, n_seeds=len(seeds))
        yield (
            {"benchmark": head.name, "method": method, "budget": budget, "n_seeds": len(seeds)}
            | interval_columns("headline", bounded([head], score, n_seeds=len(seeds), bounds=(0, head.maximum)))
            | _rel_columns([head] if comparable else [], selection)
            | _against_random([head], selection, lambda at, seeds: head.of(*at, seeds=seeds))
            | interval_columns("vs_blind", blind)
        )
    for name, score in head.of_baselines().items():
        row = {"benchmark": head.name, "method": name, "budget": None, "n_seeds": None}
        yield row | interval_columns("headline", bounded([head], score, n_seeds=1, bounds=(0, head.maximum)))


def _overall_row(heads: list[Headlines], selection: tuple[str, str], rows: list[dict[str, Any]]) -> dict[str, Any]:
    method, budget = selection
    names = {head.name for head in heads}
    of_benchmarks = [row for row in rows if row["benchmark"] in names and (row["method"], row["budget"]) == selection]
    differences = [(row["vs_random_low"], row["vs_random_high"]) for row in of_benchmarks]
    known = [(low, high) for low, high in differences if low is not None]
    wins, losses = sum(low > 0 for low, _ in known), sum(high < 0 for _, high in known)
    has_full = bool(_common_seeds(heads, _FULL))
    return (
        {"method": method, "budget": budget, "n_benchmarks": len(heads)}
        | _rel_columns(heads, selection)
        | _against_random(heads if has_full else [], selection, lambda at, seeds: _rel(heads, at, seeds), also=(_FULL,))
        | {"wins": wins, "ties": len(known) - wins - losses, "losses": losses}
    )


def _saved_rows(name: str, heads: list[Headlines]) -> Iterable[dict[str, Any]]:
    by_method: dict[str, list[str]] = {}
    for method, budget in sorted(_scored_on_all(heads), key=lambda each: (each[0], Decimal(each[1]))):
        by_method.setdefault(method, []).append(budget)
    curves = {method: budgets for method, budgets in by_method.items() if method != "full" and len(budgets) > 1}
    random = [("random", budget) for budget in curves.get("random", ())]
    for method, budgets in curves.items():
        own = [(method, budget) for budget in budgets]
        seeds = _common_seeds(heads, *own, _FULL)
        paired = _common_seeds(heads, *own, *random, _FULL) if random and method != "random" else ()
        if not seeds:
            continue
        curve = _curve(heads, own, seeds)
        pair = (_curve(heads, own, paired), _curve(heads, random, paired)) if paired else None
        for level in LEVELS:
            row = {"benchmark": name, "method": method, "level": level, "n_seeds": len(seeds), "n_budgets": len(own)}
            yield row | _budget_columns(curve, level) | _saved_columns(pair, level) | {"saved_n_seeds": len(paired)}


def _budget_columns(curve: tuple[FloatArray, FloatArray], level: float) -> dict[str, Any]:
    budgets, values = curve
    found = budgets_to_reach(budgets, values, level)
    low, high = middle_of(_crossed(found))
    reached = {"reached": bool(found[0] < NOT_REACHED), "at_most": bool(found[0] == budgets[0])}
    return reached | dict(
        zip(("budget", "budget_low", "budget_high"), map(_finite, (found[0], low, high)), strict=True)
    )


def _saved_columns(pair: tuple[tuple[FloatArray, FloatArray], ...] | None, level: float) -> dict[str, Any]:
    names = ("saved", "saved_low", "saved_high", "saved_bound")
    if pair is None:
        return dict.fromkeys(names)
    (budgets, own), (random_budgets, random) = pair
    found, needed = budgets_to_reach(budgets, own, level), budgets_to_reach(random_budgets, random, level)
    starts, random_starts = found[0] == budgets[0], needed[0] == random_budgets[0]
    if not found[0] < NOT_REACHED or (starts and random_starts):
        return dict.fromkeys(names)
    saved = share_saved(found, needed, largest=random_budgets[-1])
    bound = "<=" if random_starts else ">=" if starts or needed[0] == NOT_REACHED else ""
    return dict(zip(names, (*map(_finite, (saved[0], *middle_of(_crossed(saved)))), bound), strict=True))


def _curve(
    heads: list[Headlines], selections: list[tuple[str, str]], seeds: tuple[int, ...]
) -> tuple[FloatArray, FloatArray]:
    """Budgets as shares, and the resampled Rel% at each, shape (n_budgets, 1 + 2 n_resamples)."""
    budgets = np.array([float(budget) for _, budget in selections])
    return budgets, np.stack([_rel(heads, selection, seeds) for selection in selections])


def _rel_columns(heads: list[Headlines], selection: tuple[str, str]) -> dict[str, Any]:
    seeds = _common_seeds(heads, selection, _FULL)
    quantity = _rel(heads, selection, seeds) if seeds else None
    interval = None if quantity is None else bounded(heads, quantity, n_seeds=len(seeds), bounds=(0, np.inf))
    return interval_columns("rel", interval) | {"rel_n_seeds": len(seeds) or None}


def _against_random(heads: list[Headlines], selection: tuple[str, str], quantity, *, also=()) -> dict[str, Any]:
    """Difference of a quantity from that of random at the same budget and with the same seeds."""
    random = ("random", selection[1])
    seeds = _common_seeds(heads, selection, random, *also) if selection != random else ()
    gap = None
    if seeds:
        gap = bounded(heads, quantity(selection, seeds) - quantity(random, seeds), n_seeds=len(seeds))
    p = None if gap is None else _finite(gap.p_value())
    return interval_columns("vs_random", gap) | {"vs_random_n_seeds": len(seeds) or None, "vs_random_p": p}


def _against_blind(head: Headlines, score: FloatArray, *, n_seeds: int) -> Interval | None:
    """Difference from the best blind baseline."""
    return lowest(bounded([head], score - blind, n_seeds=n_seeds) for blind in head.of_baselines().values())


def _rel(heads: list[Headlines], selection: tuple[str, str], seeds: Sequence[int]) -> FloatArray:
    """Mean over benchmarks of the headline in percent of full data's; NaN where that is 0."""
    shares = []
    for head in heads:
        score, full = head.of(*selection, seeds=seeds), head.of(*_FULL, seeds=seeds)
        shares.append(100 * np.divide(score, full, out=np.full_like(score, np.nan), where=full > 0))
    return np.mean(shares, axis=0)


def _scored_on_all(heads: Sequence[Headlines]) -> list[tuple[str, str]]:
    return sorted(set.intersection(*(set(head.selections()) for head in heads))) if heads else []


def _common_seeds(heads: Sequence[Headlines], *selections: tuple[str, str]) -> tuple[int, ...]:
    """Seeds with which all these selections were scored on all these benchmarks."""
    sets = [set(head.seeds(*selection)) for head in heads for selection in selections]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def bounded(
    heads: Sequence[Headlines], quantity: FloatArray, *, n_seeds: int, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Interval:
    """The interval of a quantity resampled from these benchmarks, cut to what is possible."""
    return interval_of(quantity, n_seeds=n_seeds, n_clusters=min(head.n_images for head in heads), bounds=bounds)


def interval_columns(name: str, interval: Interval | None) -> dict[str, float | None]:
    """Columns of an estimate and its ends; null where there is none."""
    ends = (interval.estimate, interval.low, interval.high) if interval else (math.nan,) * 3
    return {f"{name}{end}": _finite(value) for end, value in zip(_ENDS, ends, strict=True)}


def _crossed(quantity: FloatArray) -> FloatArray:
    """What a resampled quantity came out as with seeds and images resampled."""
    return quantity[1 + len(quantity) // 2 :]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
