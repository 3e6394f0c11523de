"""The report of a dataset: one HTML file with everything inside, no script and nothing from elsewhere."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import polars as pl

from xmas_assets.files.whole import replacing
from xmas_assets.report.benchmark_states import judged_tables, state_sentences
from xmas_assets.report.canvas import data_uri
from xmas_assets.report.comparison import benchmark_sentences, benchmark_tables
from xmas_assets.report.costs import cost_rows, cost_sentences
from xmas_assets.report.tables import HEADINGS, budget_percent, leaderboard_cells, leaderboard_notes, task_notes
from xmas_assets.report.text import visible
from xmas_assets.report.verdict import verdict


def write_report(
    path: Path,
    *,
    dataset: str,
    leaderboard: pl.DataFrame,
    per_task: pl.DataFrame,
    figures: Sequence[tuple[str, bytes, str]],
    provenance: Mapping[str, str],
    quarantine: pl.DataFrame,
    compared: Mapping[str, pl.DataFrame] | None = None,
    costs: Mapping[str, pl.DataFrame] | None = None,
    states: Mapping[str, pl.DataFrame] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write ``report.html``; the old one stays until the new one is complete. Same inputs, same bytes.

    Args:
        path: File to write; its folder is made.
        dataset: Name of the dataset.
        leaderboard: From ``build_leaderboard``.
        per_task: From ``build_per_task``.
        figures: Title, PNG bytes and caption of each picture, in order.
        provenance: What made this: hashes, versions, settings.
        quarantine: The dataset's refused records, one row each: ``split``, ``source_row``, ``reason``, ``detail``.
        compared: The tables of a comparison over benchmarks, if there is one.
        costs: The tables ``costs`` and ``break_even`` of ``evaluation.cost_tables``, if costs are known.
        states: What became of each benchmark, if there are any.
        notes: Remarks shown below the leaderboard.
    """
    about_benchmarks = [*benchmark_sentences(compared or {}), *state_sentences(states or {}, dataset)]
    found = verdict(leaderboard)
    if leaderboard.is_empty():  # then the benchmarks are all there is, and their verdict comes first
        found, about_benchmarks = [*about_benchmarks, *found], []
    headline, *details = found
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("xmas_assets", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    page = environment.get_template("report.html.jinja").render(
        dataset=dataset,
        explore=f"xmas explore {shlex.quote(dataset)}",
        headline=headline,
        details=details,
        headings=HEADINGS,
        rows=leaderboard_cells(leaderboard),
        notes=[*leaderboard_notes(leaderboard), *notes],
        tasks=_task_table(per_task),
        task_notes=task_notes(per_task),
        benchmarks=benchmark_tables(compared or {}) | judged_tables(states or {}),
        benchmark_sentences=about_benchmarks,
        costs=cost_rows(costs["costs"]) if costs else [],
        cost_sentences=cost_sentences(costs["break_even"]) if costs else [],
        figures=[(title, data_uri(png), caption) for title, png, caption in figures],
        provenance=provenance,
        n_quarantined=len(quarantine),
        reasons=_reasons(quarantine),
    )
    with replacing(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8", newline="\n")


def _task_table(per_task: pl.DataFrame) -> list[list[str]]:
    """Scores in percent, one row per method and budget, one column per task; the first row holds the headings."""
    tasks = per_task["task"].unique().sort().to_list()
    table = [["Budget", "Method", *tasks]]
    for (method, budget), rows in per_task.group_by(["method", "budget"], maintain_order=True):
        scores = dict(rows.select("task", "score").iter_rows())
        shown = (scores.get(task) for task in tasks)
        cells = ["-" if score is None else f"{100 * score:.1f}" for score in shown]
        table.append([budget_percent(str(budget) if budget is not None else None), str(method), *cells])
    return table


def _reasons(quarantine: pl.DataFrame) -> list[dict[str, object]]:
    """Per reason: how many records, and where the first one is."""
    counts = quarantine.group_by("reason", maintain_order=True).agg(
        pl.len().alias("n_rows"), pl.first("split", "source_row", "detail")
    )
    return counts.sort(["n_rows", "reason"], descending=[True, False], maintain_order=True).to_dicts()
