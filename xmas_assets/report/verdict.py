"""What a leaderboard says, in plain words."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from xmas_assets.report.tables import budget_percent, row_names
from xmas_assets.report.text import visible

_REMEDY = (
    "Methods differ only where the model learns from the images: train longer or from a stronger base model, or use "
    "more test questions."
)


def verdict(leaderboard: pl.DataFrame) -> list[str]:
    """What the comparison shows, the most important first.

    Where full data is not above the blind baselines beyond chance, that nothing can be compared. Otherwise a sentence
    per budget below 100 %, the largest first: which method is best, how far it gets, and whether it differs from
    random and beats the blind baselines beyond chance (the 95 % interval of the difference leaves 0 out). Then which
    other methods show no difference from random, which rows are worse than a blind guess, and what guessing scores. Of
    no row, that there is no own test set.

    Args:
        leaderboard: From ``build_leaderboard``.
    """
    if leaderboard.is_empty():
        return ["The dataset has no test records of its own; its targets are compared on its benchmarks alone."]
    guesses = leaderboard.filter(pl.col("budget").is_null()).drop_nulls("score")
    worse = leaderboard.filter(pl.col("vs_blind_high") < 0)
    failing = [f"Worse than a blind guess: {row_names(worse)}."] if len(worse) else []
    if not leaderboard["comparable"].all():
        return [_nothing(leaderboard, guesses), *failing, _REMEDY]
    chosen = leaderboard.filter(pl.col("budget").is_not_null(), ~pl.col("method").is_in(["full", "random"]))
    budgets = chosen["budget"].unique(maintain_order=True).to_list()[::-1]
    sentences = [_about(chosen.filter(budget=budget), n_baselines=len(guesses)) for budget in budgets]
    sentences += [*_no_difference([chosen.filter(budget=budget) for budget in budgets]), *failing]
    majority = guesses.filter(method="majority")
    if len(majority):
        sentences.append(f"Always giving the most common answer scores {100 * majority['score'][0]:.1f} %.")
    return sentences or ["No method has been scored on this dataset yet."]


def _nothing(leaderboard: pl.DataFrame, guesses: pl.DataFrame) -> str:
    full = leaderboard.filter(method="full").row(0, named=True)
    if full["vs_blind"] is None:
        return "Nothing can be compared: no answer of full data was scored, so Rel % is not shown."
    best = guesses.sort("score", descending=True, maintain_order=True).row(0, named=True)
    return (
        f"Nothing can be compared: full data scores {100 * full['score']:.1f} %{_one_seed(full)}, which is not above a "
        f"blind guess beyond chance ({visible(best['method'], 40)}: {100 * best['score']:.1f} %; difference "
        f"{_difference(full, 'vs_blind')}), so Rel % is not shown."
    )


def _about(rows: pl.DataFrame, *, n_baselines: int) -> str:
    """The sentence on one budget; ``rows`` are its methods by falling score."""
    row = rows.row(0, named=True)
    method, budget = visible(row["method"], 40), budget_percent(row["budget"])
    subject = (
        f"{method} is the best of {len(rows)} methods at {budget}: it" if len(rows) > 1 else f"{method} at {budget}"
    )
    return f"{subject} {_reach(row)}{_against_random(row)}{_against_blind(row, n_baselines=n_baselines)}."


def _no_difference(budgets: Sequence[pl.DataFrame]) -> list[str]:
    """A sentence on the methods behind the best that show no difference from random, if any; rows of each budget."""
    random_inside = (pl.col("vs_random_low") <= 0) & (pl.col("vs_random_high") >= 0)
    same = [rows[1:].filter(random_inside) for rows in budgets]
    names = ", ".join(row_names(rows) for rows in same if len(rows))
    return [f"No difference from random is seen for {names}."] if names else []


def _reach(row: dict[str, Any]) -> str:
    """How far a row gets, with its interval: as a share of full data, or without that as a score."""
    of_full = row["rel_percent"] is not None
    names = ("rel_percent", "rel_low", "rel_high") if of_full else ("score", "score_low", "score_high")
    value, low, high = (None if row[name] is None else row[name] * (1 if of_full else 100) for name in names)
    seeds = _one_seed(row, "rel_n_seeds" if of_full else "n_seeds")
    interval = "" if low is None or high is None else f" (95 % interval {low:.1f}..{high:.1f}{seeds})"
    said = "nothing" if value is None else f"{value:.1f} %"
    return f"reaches {said} of full data{interval}" if of_full else f"scores {said}{interval}"


def _against_random(row: dict[str, Any]) -> str:
    if row["vs_random"] is None:
        return ", with no random subset to compare it with"
    low, high = row["vs_random_low"], row["vs_random_high"]
    if low is None or high is None:
        return ", with too little to compare it with random"
    found = f"({_difference(row, 'vs_random')}{_one_seed(row, 'vs_random_n_seeds')})"
    if low <= 0 <= high:
        return f", does not differ from random beyond chance {found}"
    side = "above" if row["vs_random"] > 0 else "below"
    corrected = "" if row["vs_random_p"] < 0.05 else ", though not when corrected for the number of comparisons"
    return f", is {side} random beyond chance {found}{corrected}"


def _against_blind(row: dict[str, Any], *, n_baselines: int) -> str:
    if row["vs_blind"] is None:
        return ""
    if row["vs_blind_high"] is not None and row["vs_blind_high"] < 0:
        return ", and is worse than a blind guess"
    name = {1: "the blind baseline", 2: "both blind baselines"}.get(n_baselines, "every blind baseline")
    beats = row["vs_blind_low"] is not None and row["vs_blind_low"] > 0
    return f", and {'beats' if beats else 'does not beat'} {name} beyond chance"


def _difference(row: dict[str, Any], name: str) -> str:
    """Percentage points with their interval, where there is one."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    points = f"{100 * value:+.1f} points"
    return points if low is None or high is None else f"{points}, {100 * low:+.1f}..{100 * high:+.1f}"


def _one_seed(row: dict[str, Any], name: str = "n_seeds") -> str:
    return ", one seed" if row[name] == 1 else ""
