"""What a leaderboard says, in plain words."""

from typing import Any

import polars as pl

from xmas_assets.report.tables import budget_percent
from xmas_assets.report.text import visible


def verdict(leaderboard: pl.DataFrame) -> list[str]:
    """One sentence or two per budget below 100 %, the largest first, then one on what guessing would score.

    The method described is ``xmas``, or without it the best at that budget. A method counts as better or worse than
    random only if the 95 % interval of the difference leaves 0 out.

    Args:
        leaderboard: From ``build_leaderboard``.
    """
    chosen = leaderboard.filter(pl.col("budget").is_not_null(), ~pl.col("method").is_in(["full", "random"]))
    sentences = []
    for budget in reversed(chosen["budget"].unique(maintain_order=True).to_list()):
        rows = chosen.filter(budget=budget).sort(pl.col("method") != "xmas", maintain_order=True)
        random = leaderboard.filter(method="random", budget=budget)
        sentences.append(_about(rows.row(0, named=True), random.row(0, named=True) if len(random) else None))
    majority = leaderboard.filter(method="majority")["score"].drop_nulls()
    if len(majority):
        sentences.append(f"Always giving the most common answer scores {100 * majority[0]:.1f} %.")
    return sentences or ["No method has been scored on this dataset yet."]


def _about(row: dict[str, Any], random: dict[str, Any] | None) -> str:
    value, interval, of_full = _reach(row)
    verb = "reaches" if of_full else "scores"
    sentence = (
        f"{visible(row['method'], 40)} at {budget_percent(row['budget'])} {verb} {value}"
        f"{' of full data' if of_full else ''}{f' (95 % interval {interval})' if interval else ''}"
    )
    if random is None or row["vs_random"] is None:
        return f"{sentence}."
    value, interval, _ = _reach(random)
    return f"{sentence}; random {verb} {value}{f' ({interval})' if interval else ''}. {_comparison(row)}"


def _reach(row: dict[str, Any]) -> tuple[str, str, bool]:
    """How far a row gets, its interval, and whether that is a share of full data (else it is the score)."""
    of_full = row["rel_percent"] is not None
    names = ("rel_percent", "rel_low", "rel_high") if of_full else ("score", "score_low", "score_high")
    value, low, high = (None if row[name] is None else row[name] * (1 if of_full else 100) for name in names)
    interval = "" if low is None or high is None else f"{low:.1f}..{high:.1f}"
    return "nothing" if value is None else f"{value:.1f} %", interval, of_full


def _comparison(row: dict[str, Any]) -> str:
    difference, low, high = (row[name] for name in ("vs_random", "vs_random_low", "vs_random_high"))
    if low is None or high is None:
        return "There is too little to compare their scores."
    interval = f"95 % interval {100 * low:+.1f}..{100 * high:+.1f}"
    if low <= 0 <= high:
        return f"Their scores do not differ beyond chance: {100 * difference:+.1f} points, {interval}."
    side = "above" if difference > 0 else "below"
    return f"Its score is {abs(100 * difference):.1f} points {side} random's ({interval})."
