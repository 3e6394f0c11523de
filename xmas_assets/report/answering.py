"""What is said beside scores of questions that were not asked and answers that were cut."""

from typing import Any

import polars as pl

from xmas_assets.report.tables import row_names
from xmas_assets.report.text import visible


def answering_notes(answering: pl.DataFrame | None) -> list[str]:
    """Sentences on ``stages.answering.answering_table``; none if there is no such table.

    Selections of which the same is to be said share a sentence.
    """
    if answering is None:
        return []
    notes = []
    for row, rows in _alike(answering, ["n_questions", "n_answered", "not_asked"]):
        if row["n_answered"] < row["n_questions"]:
            notes.append(
                f"{_what(row)}: {row['n_answered']:,} of {row['n_questions']:,} questions were answered "
                f"({100 * row['n_answered'] / row['n_questions']:.1f} %); the others have no score, not 0 "
                f"({visible(row['not_asked'], 200)}): {row_names(rows)}."
            )
    for row, rows in _alike(answering, ["n_references_cut", "longest_reference"]):
        if row["n_references_cut"]:
            notes.append(
                f"{_what(row)}: the right answers to {row['n_references_cut']:,} questions are longer than answers "
                f"could be (the longest has {row['longest_reference']:,} tokens): {row_names(rows)}."
            )
    for row, rows in _alike(answering, ["longest_answer"]):
        if rows["n_cut"].sum():
            counts = ", ".join(f"{row_names(one)} {one['n_cut'][0]:,}" for one in rows.iter_slices(1))
            notes.append(f"{_what(row)}: answers cut at {row['longest_answer']} tokens, over all seeds: {counts}.")
    return notes


def _alike(answering: pl.DataFrame, columns: list[str]) -> list[tuple[dict[str, Any], pl.DataFrame]]:
    """The rows of a benchmark that agree in these columns, with the first of them."""
    groups = answering.group_by(["benchmark", *columns], maintain_order=True)
    return [(rows.row(0, named=True), rows) for _, rows in groups]


def _what(row: dict[str, Any]) -> str:
    return "Own test questions" if row["benchmark"] is None else visible(row["benchmark"], 40)
