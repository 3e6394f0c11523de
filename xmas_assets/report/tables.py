"""The leaderboard as people read it: cells with units and intervals, for the terminal, Markdown and the report."""

from decimal import Decimal
from typing import Any

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

from xmas_assets.report.text import Markdown, markdown_cell, markdown_table, visible

HEADINGS = {
    "budget": "Budget",
    "method": "Method",
    "score": "Score %",
    "rel": "Rel %",
    "vs_random": "vs random",
    "seeds": "Seeds",
    "selection": "Select CPU s",
    "training": "Train CPU s",
}
_NONE = "-"


def leaderboard_cells(leaderboard: pl.DataFrame) -> list[dict[str, list[str]]]:
    """The table's cells by the keys of ``HEADINGS``; a cell is a value and, below it, its interval and remarks.

    Args:
        leaderboard: From ``build_leaderboard``.

    Returns:
        One dict per row, texts already without control codes. Scores in percent, differences in percentage points.
    """
    return [_cells(row) for row in leaderboard.iter_rows(named=True)]


def leaderboard_notes(leaderboard: pl.DataFrame) -> list[str]:
    """What a reader must know to read the table: what the intervals cover, and which rows rest on less."""
    notes = [
        "Score: mean over tasks. lo..hi: 95 % interval over training seeds and test images. "
        "Rel %: score / full-data score. vs random: percentage points at the same budget, same seeds."
    ]
    single = leaderboard.filter(pl.col("n_seeds") == 1)
    if not single.is_empty():
        notes.append(f"One seed, so the interval leaves out the variation between seeds: {_names(single)}.")
    partial = leaderboard.filter(pl.col("coverage") < 1)
    if not partial.is_empty():
        notes.append(f"Not every question was answered; scores are over the answered ones: {_names(partial)}.")
    fewer = leaderboard.filter(pl.min_horizontal("rel_n_seeds", "vs_random_n_seeds") < pl.col("n_seeds"))
    if not fewer.is_empty():
        notes.append(f"Rel % or vs random uses only the seeds that both sides have: {_names(fewer)}.")
    return notes


def render_text(leaderboard: pl.DataFrame, *, title: str = "Leaderboard") -> Table:
    """The leaderboard for a terminal of 80 columns or more, notes below it."""
    caption = Text("\n".join(leaderboard_notes(leaderboard)), style="dim")
    table = Table(
        title=Text(visible(title)),
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    for key, heading in HEADINGS.items():
        justify = "left" if key == "method" else "right"
        table.add_column(heading.replace(" CPU", "\nCPU"), justify=justify, no_wrap=key != "method", overflow="fold")
    budget = None
    for cells in leaderboard_cells(leaderboard):
        if budget not in (None, cells["budget"]):
            table.add_section()
        budget = cells["budget"]
        table.add_row(*(Text("\n".join(lines)) for lines in cells.values()))
    return table


def render_markdown(leaderboard: pl.DataFrame) -> Markdown:
    """The leaderboard as a Markdown table with its notes; everything that comes from data is escaped."""
    rows = ([_one_line(lines) for lines in cells.values()] for cells in leaderboard_cells(leaderboard))
    marks = [":--" if key == "method" else "--:" for key in HEADINGS]
    table = markdown_table(list(HEADINGS.values()), rows, marks=marks)
    notes = (f"{markdown_cell(note, 1000)}\n" for note in leaderboard_notes(leaderboard))
    return Markdown("\n".join([table, "", *notes]))


def budget_percent(budget: str | None) -> str:
    """A budget as people write it.

    Example:
        >>> budget_percent("0.05"), budget_percent("0.005"), budget_percent("1.00")
        ('5 %', '0.5 %', '100 %')
    """
    return _NONE if budget is None else f"{(Decimal(budget) * 100).normalize():f} %"


def _cells(row: dict[str, Any]) -> dict[str, list[str]]:
    score = _bounded(100, row["score"], row["score_low"], row["score_high"])
    if row["coverage"] < 1:
        # Rounded down: 99.99 % must not read as all.
        score.append(f"{int(row['coverage'] * 1000) / 10:.1f} % answered")
    return {
        "budget": [budget_percent(row["budget"])],
        "method": [visible(row["method"], 40)],
        "score": score,
        "rel": _bounded(1, row["rel_percent"], row["rel_low"], row["rel_high"]),
        "vs_random": _bounded(100, row["vs_random"], row["vs_random_low"], row["vs_random_high"], sign="+"),
        "seeds": [_NONE if row["n_seeds"] is None else str(row["n_seeds"])],
        "selection": [_seconds(row["selection_cpu_seconds"])],
        "training": [_seconds(row["training_cpu_seconds"])],
    }


def _bounded(factor: int, value: float | None, low: float | None, high: float | None, sign: str = "") -> list[str]:
    if value is None:
        return [_NONE]
    lines = [f"{value * factor:{sign}.1f}"]
    if low is not None and high is not None:
        lines.append(f"{low * factor:{sign}.1f}..{high * factor:{sign}.1f}")
    return lines


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return _NONE
    return f"{seconds:.1f}" if seconds < 100 else f"{seconds:,.0f}"


def _one_line(lines: list[str]) -> str:
    return lines[0] if len(lines) == 1 else f"{lines[0]} ({', '.join(lines[1:])})"


def _names(rows: pl.DataFrame) -> str:
    return ", ".join(
        visible(method, 40) if budget is None else f"{visible(method, 40)} at {budget_percent(budget)}"
        for method, budget in rows.select("method", "budget").iter_rows()
    )
