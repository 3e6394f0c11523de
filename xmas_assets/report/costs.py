"""What methods cost, for people to read."""

from typing import Any

import polars as pl

from xmas_assets.report.tables import budget_percent
from xmas_assets.report.text import visible

COST_NOTE = (
    "Select is everything that a subset needs (proxy, signals, clusters, choice); what methods share counts in full "
    "for each. Work that was found done counts as it cost then. GPU hours are hours on the clock with a GPU."
)
"""What a reader of the table must know."""


def cost_rows(costs: pl.DataFrame) -> list[list[str]]:
    """Hours by budget and method as rows of text, the first the headings; the table is that of ``cost_table``."""
    used_gpu = (costs["total_gpu_hours"].fill_null(0) > 0).any()
    devices = ["cpu", "gpu"] if used_gpu else ["cpu"]
    parts = [name.removesuffix("_cpu_hours") for name in costs.columns if name.endswith("_cpu_hours")]
    names = [(part, device) for device in devices for part in parts]
    headings = [f"{part.capitalize()} {device.upper()} h" for part, device in names]
    rows = [["Budget", "Method", *headings, *(f"{device.upper()} of full" for device in devices)]]
    for row in costs.iter_rows(named=True):
        hours = [_hours(row[f"{part}_{device}_hours"]) for part, device in names]
        shares = (row[f"of_full_{device}"] for device in devices)
        percents = ["-" if share is None else f"{100 * share:.0f} %" for share in shares]
        rows.append([budget_percent(row["budget"]), visible(row["method"], 40), *hours, *percents])
    return rows


def cost_sentences(break_even: pl.DataFrame) -> list[str]:
    """Up to which budget each method costs no more than training on everything, and what the hours are."""
    return [*map(_break_even, break_even.iter_rows(named=True)), COST_NOTE]


def _break_even(row: dict[str, Any]) -> str:
    method, hours = visible(row["method"], 40), f"{row['device'].upper()} hours"
    if row["budget"] is None:
        return f"{method}: training on everything was not measured, so there is no budget up to which it pays."
    if row["budget"] == 0:
        return f"{method} takes more {hours} than training on everything, even at the smallest budget."
    return f"{method} takes no more {hours} than training on everything up to {100 * row['budget']:.0f} % of the data."


def _hours(hours: float | None) -> str:
    """Three digits, as hours may be seconds of a toy or weeks."""
    return "-" if hours is None else f"{hours:.3g}"
