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
    if leaderboard.is_empty():
        return []
    notes = [
        "Score: mean over tasks. lo..hi: 95 % interval over training seeds and test images. "
        "Rel %: score / full-data score. vs random: percentage points at the same budget, same seeds."
    ]
    single = leaderboard.filter(pl.col("n_seeds") == 1)
    if not single.is_empty():
        notes.append(f"One seed, so the interval leaves out the variation between seeds: {row_names(single)}.")
    partial = leaderboard.filter(pl.col("coverage") < 1)
    if not partial.is_empty():
        notes.append(f"Not every question was answered; scores are over the answered ones: {row_names(partial)}.")
    fewer = leaderboard.filter(pl.min_horizontal("rel_n_seeds", "vs_random_n_seeds") < pl.col("n_seeds"))
    if not fewer.is_empty():
        notes.append(f"Rel % or vs random uses only the seeds that both sides have: {row_names(fewer)}.")
    return notes + _comparisons_note(leaderboard)


def task_notes(per_task: pl.DataFrame) -> list[str]:
    """Which tasks cannot tell methods apart, from ``build_per_task``; nothing if all can."""
    tasks = per_task.filter(~pl.col("comparable"))["task"].unique().sort()
    if tasks.is_empty():
        return []
    return [
        "Nothing can be compared on these tasks, where full data is not above the blind baselines beyond chance: "
        f"{', '.join(visible(task, 40) for task in tasks)}."
    ]


def row_names(rows: pl.DataFrame) -> str:
    """Methods with their budgets, as people write them."""
    return ", ".join(
        visible(method, 40) if budget is None else f"{visible(method, 40)} at {budget_percent(budget)}"
        for method, budget in rows.select("method", "budget").iter_rows()
    )


def _comparisons_note(leaderboard: pl.DataFrame) -> list[str]:
    """How many comparisons with random there are, and which hold when corrected for that; nothing for a single one."""
    compared = leaderboard.filter(pl.col("vs_random_p").is_not_null())
    if len(compared) < 2:
        return []
    sure = compared.filter(pl.col("vs_random_p") < 0.05)
    return [
        f"{len(compared)} comparisons with random: of so many, {0.05 * len(compared):.1f} intervals would leave 0 out "
        "by chance alone. Corrected for their number (Holm), these differ from random: "
        f"{row_names(sure) if len(sure) else 'none'}."
    ]


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
    score = _bounded(row, "score", seeds="n_seeds", factor=100)
    if row["coverage"] < 1:
        # Rounded down: 99.99 % must not read as all.
        score.append(f"{int(row['coverage'] * 1000) / 10:.1f} % answered")
    return {
        "budget": [budget_percent(row["budget"])],
        "method": [visible(row["method"], 40)],
        "score": score,
        "rel": _bounded(row | {"rel": row["rel_percent"]}, "rel", seeds="rel_n_seeds"),
        "vs_random": _bounded(row, "vs_random", seeds="vs_random_n_seeds", factor=100, sign="+"),
        "seeds": [_NONE if row["n_seeds"] is None else str(row["n_seeds"])],
        "selection": [_seconds(row["selection_cpu_seconds"])],
        "training": [_seconds(row["training_cpu_seconds"])],
    }


def _bounded(row: dict[str, Any], name: str, *, seeds: str, factor: int = 1, sign: str = "") -> list[str]:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if value is None:
        return [_NONE]
    lines = [f"{value * factor:{sign}.1f}"]
    if low is not None and high is not None:
        lines.append(f"{low * factor:{sign}.1f}..{high * factor:{sign}.1f}")
        if row[seeds] == 1:
            lines.append("one seed")
    return lines


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return _NONE
    return f"{seconds:.1f}" if seconds < 100 else f"{seconds:,.0f}"


def _one_line(lines: list[str]) -> str:
    return lines[0] if len(lines) == 1 else f"{lines[0]} ({', '.join(lines[1:])})"
