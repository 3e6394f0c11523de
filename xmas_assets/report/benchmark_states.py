"""Which benchmarks are not scored, and why, and what is to be known of those that a judge scored, in plain words."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from xmas_assets.report.tables import budget_percent
from xmas_assets.report.text import visible

_REMEDIES = {
    "no published answers": "for its server: xmas benchmark submission {name} {dataset} SELECTION --out FOLDER",
    "no judge": "name one: xmas benchmark judge {name} --url URL --model MODEL",
    "no ratings": "for raters: xmas benchmark sheet {name} {dataset} SHEET.csv",
    "not judged yet": "xmas run brings it up to date",
}


def state_sentences(states: Mapping[str, pl.DataFrame], dataset: str) -> list[str]:
    """A sentence for each benchmark that is not scored, or that a judge scored; from ``stages.benchmark_states``.

    Args:
        states: The tables by name; they may be missing.
        dataset: Their dataset.
    """
    if "benchmark_states" not in states:
        return []
    rows = states["benchmark_states"].iter_rows(named=True)
    return [_sentence(row, dataset) for row in rows if row["not_scored"] or row["judge"]]


def judged_tables(states: Mapping[str, pl.DataFrame]) -> dict[str, list[list[str]]]:
    """What the runs of the judges came to for each target, as rows of text below a title, the first the headings."""
    if "judged_scores" not in states:
        return {}
    rows = [["Benchmark", "Budget", "Method", "Seed", "Runs", "Mean", "Std", "Agreement", "Replies", "Unread"]]
    for row in states["judged_scores"].iter_rows(named=True):
        agreement = "-" if row["agreement"] is None else f"{row['agreement']:.2f}"
        named = [visible(row["benchmark"], 40), budget_percent(row["budget"]), visible(row["method"], 40)]
        measured = [f"{row['total']:.1f}", f"{row['std']:.1f}", agreement]
        counts = [str(row[name]) for name in ("n_replies", "n_unread")]
        rows.append([*named, str(row["seed"]), str(row["n_runs"]), *measured, *counts])
    return {"Runs of the judges": rows}


def _sentence(row: Mapping[str, Any], dataset: str) -> str:
    name = visible(row["benchmark"], 64)
    answered = f"{row['n_questions']:,} questions, {100 * row['coverage']:.1f} % answered"
    if row["not_scored"]:
        remedy = _REMEDIES[row["not_scored"]].format(name=name, dataset=dataset)
        return f"{name} is not scored: {row['not_scored']} ({answered}); {remedy}"
    names = [visible(said, 80) for said in row["replied_as"] if said]
    replied = f", replied as {' and '.join(names)}" if names and row["judge"] != "people" else ""
    several = "; scores of different judges are not comparable" if replied and len(names) > 1 else ""
    return (
        f"{name} is scored by {visible(row['judge'], 200)}{replied} ({answered}): {row['n_unread']:,} of "
        f"{row['n_replies']:,} replies could not be read{several}."
    )
