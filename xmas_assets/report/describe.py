"""What a person sees of each asset: counts, tables and pictures, as plain values for the UI's metadata."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from xmas_assets.contracts.artifacts import ScalarTrajectories, TrainingRecord
from xmas_assets.contracts.manifest import Exclusion
from xmas_assets.contracts.samples import without_image_marks
from xmas_assets.report.canvas import DIALOG_PIXELS, WIDTH_PIXELS, markdown_image
from xmas_assets.report.comparison import benchmark_sentences, benchmark_tables
from xmas_assets.report.contamination import exclusion_text
from xmas_assets.report.figures import (
    budget_score_figure,
    cluster_size_figure,
    loss_figure,
    trajectory_figure,
)
from xmas_assets.report.sheets import cluster_sample_figure, task_composition_figure
from xmas_assets.report.tables import render_markdown, task_notes
from xmas_assets.report.text import Markdown, markdown_table
from xmas_assets.report.verdict import verdict
from xmas_assets.store.reading import Table

OpenImage = Callable[[str], Image.Image]
_N_GROUPS = 4
_N_PER_GROUP = 6
_N_SHOWN_CHARACTERS = 60


def describe_dataset(tables: Mapping[str, Table], open_image: OpenImage) -> dict[str, object]:
    """Rows per table, why records were refused, the mix of tasks, and some rows with their pictures.

    Args:
        tables: ``samples``, ``test``, ``quarantine`` and ``ledger``.
        open_image: Opens a sample's image.
    """
    quarantine = (
        tables["quarantine"]
        .scan()
        .group_by("split", "reason", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("source_row", "detail").first().name.prefix("first_"))
        .sort("split", "reason", maintain_order=True)
        .collect()
    )
    compositions = {"training": task_counts(tables["samples"])}
    if "test" in tables and tables["test"].n_rows:
        compositions["test"] = task_counts(tables["test"])
    shown = np.array_split(_evenly(np.arange(tables["samples"].n_rows), 2 * _N_PER_GROUP), 2)
    groups = {f"rows {rows[0]:,} to {rows[-1]:,}": rows for rows in shown if len(rows)}
    return {
        "ledger": _frame_table(tables["ledger"].scan().with_columns(pl.col("notices").replace("{}", "")).collect()),
        "quarantined records": _frame_table(quarantine) if len(quarantine) else "none",
        "tasks": markdown_image(task_composition_figure(compositions)),
        "some samples": markdown_image(sample_figure(tables["samples"], groups, open_image)),
    }


def describe_training(record: TrainingRecord) -> dict[str, object]:
    """Steps, loss, cost, and what could not be trained on."""
    left_out = pl.DataFrame({"sample_id": list(record.left_out), "reason": list(record.left_out.values())})
    return {
        "optimiser steps": record.n_steps,
        "rows trained on": record.n_samples,
        "mean loss (nats per answer token)": round(record.mean_loss, 4),
        "loss": markdown_image(loss_figure(record.losses)),
        "CPU seconds": round(record.cpu_seconds, 1),
        "seconds on the clock": "unknown" if record.wall_seconds is None else round(record.wall_seconds, 1),
        "peak memory (MiB)": "unknown" if record.peak_memory_bytes is None else record.peak_memory_bytes >> 20,
        "images not computed again": record.n_features_read,
        "rows per forward pass": record.micro_batch_size or "unknown",
        "rows cut to the longest length": record.n_cut,
        "rows left out": _frame_table(left_out.head(20)) if len(left_out) else "none",
    }


def describe_clusters(
    labels: NDArray[np.integer], trajectories: ScalarTrajectories, samples: Table, open_image: OpenImage
) -> dict[str, object]:
    """Trajectories per cluster, cluster sizes, and samples of some clusters with their pictures.

    Args:
        labels: Cluster of each row, shape (n_samples,), -1 without image.
        trajectories: Of the same rows.
        samples: The dataset's samples.
        open_image: Opens a sample's image.
    """
    sizes = np.bincount(labels[labels >= 0])
    figure = trajectory_figure(trajectories.sums, labels, steps=trajectories.steps)
    return {
        "clusters": len(sizes),
        "largest cluster": int(sizes.max()),
        "smallest cluster": int(sizes.min()),
        "text-only rows": int((labels < 0).sum()),
        "trajectories per cluster": markdown_image(figure),
        "cluster sizes": markdown_image(cluster_size_figure(labels)),
        "samples per cluster": markdown_image(sample_figure(samples, cluster_rows(labels), open_image)),
    }


def describe_subset(
    rows: NDArray[np.integer],
    samples: Table,
    pictures: Mapping[str, bytes],
    *,
    excluded: Exclusion | None = None,
    n_unread: int = 0,
) -> dict[str, object]:
    """How many rows, how many could not be selected or read, and pictures.

    Args:
        rows: Selected rows, ascending.
        samples: The dataset's samples.
        pictures: As from ``subset_pictures``.
        excluded: The rule by which rows were left out, if any.
        n_unread: Rows that the method had no values of.
    """
    left_out: dict[str, object] = {"left out as contaminated": exclusion_text(excluded)} if excluded else {}
    left_out |= {"left out as not read": f"{n_unread:,} rows, too long or refused"} if n_unread else {}
    return left_out | {
        "selected": f"{len(rows):,} of {samples.n_rows:,} rows ({100 * len(rows) / samples.n_rows:.1f} %)",
        **{name: markdown_image(png) for name, png in pictures.items()},
    }


def subset_pictures(rows: NDArray[np.integer], samples: Table, open_image: OpenImage) -> dict[str, bytes]:
    """The mix of tasks next to the whole dataset's, and some of the rows, as PNG bytes as wide as Dagster shows them.

    Args:
        rows: Selected rows, ascending.
        samples: The dataset's samples.
        open_image: Opens a sample's image.
    """
    compositions = {"dataset": task_counts(samples), "subset": task_counts(samples, rows)}
    return {
        "tasks": task_composition_figure(compositions, width_pixels=DIALOG_PIXELS),
        "some samples": sample_figure(
            samples, {"selected": _evenly(rows, _N_PER_GROUP)}, open_image, width_pixels=DIALOG_PIXELS
        ),
    }


def describe_answers(table: Table) -> dict[str, object]:
    """Score per task, how many answers came back empty, and the first wrong answers; of none, that there are none."""
    answers = table.scan().collect()
    if answers.is_empty():
        return {"questions": "no test records of its own"}
    by_task = answers.group_by(pl.col("task").fill_null("(none)"), maintain_order=True).agg(
        pl.len().alias("questions"), (100 * pl.col("score").mean()).round(1).alias("score %")
    )
    wrong = answers.filter(pl.col("score") < 1).select("task", "question", "reference", "answer").head(12)
    wrong = wrong.with_columns(pl.col("answer").replace("", "(empty)").str.slice(0, _N_SHOWN_CHARACTERS))
    return {
        "score (%, mean over tasks)": round(float(np.mean(by_task["score %"].to_numpy())), 2),
        "questions": len(answers),
        "empty answers": int((answers["answer"] == "").sum()),
        "score per task": _frame_table(by_task.sort("task", maintain_order=True)),
        "some wrong answers": _frame_table(wrong) if len(wrong) else "none",
    }


def describe_leaderboard(
    leaderboard: pl.DataFrame,
    per_task: pl.DataFrame,
    *,
    notes: Sequence[str] = (),
    contamination: pl.DataFrame | None = None,
    compared: Mapping[str, pl.DataFrame] | None = None,
) -> dict[str, object]:
    """What it says, the tables and the budget-score picture.

    Args:
        leaderboard: The table.
        per_task: Scores of each task.
        notes: They follow the verdict.
        contamination: Counts of rows that share something with benchmarks, if any were compared.
        compared: The tables of a comparison over benchmarks, if there is one.
    """
    said = [*verdict(leaderboard), *benchmark_sentences(compared or {}), *task_notes(per_task), *notes]
    described: dict[str, object] = {"verdict": " ".join(said)}
    if len(leaderboard):
        described["leaderboard"] = render_markdown(leaderboard)
    for title, (headings, *rows) in benchmark_tables(compared or {}).items():
        described[title.lower()] = markdown_table(headings, rows)
    if contamination is not None:
        described["contamination"] = _frame_table(contamination)
    if len(leaderboard.filter(pl.col("budget").is_not_null(), pl.col("method") != "full")):
        described["score by budget"] = markdown_image(budget_score_figure(leaderboard))
    return described


def cluster_rows(labels: NDArray[np.integer]) -> dict[str, NDArray[np.integer]]:
    """Some rows of some clusters, taken evenly along the ranking by size, by the title they are shown under."""
    sizes = np.bincount(labels[labels >= 0])
    ranked = np.argsort(-sizes, kind="stable")
    return {
        f"cluster {label} ({sizes[label]:,} rows)": np.flatnonzero(labels == label)[:_N_PER_GROUP]
        for label in _evenly(ranked, _N_GROUPS)
    }


def sample_figure(
    samples: Table,
    groups: Mapping[str, NDArray[np.integer]],
    open_image: OpenImage,
    *,
    width_pixels: int = WIDTH_PIXELS,
) -> bytes:
    """Rows of the dataset with their first picture and their last question and answer, group by group."""
    wanted = np.unique(np.concatenate(list(groups.values())))
    columns = samples.scan().select("row", "images", "turns").filter(pl.col("row").is_in(wanted.tolist())).collect()
    shown = {}
    for row, images, turns in columns.iter_rows():
        caption = " / ".join(without_image_marks(turn["text"]) for turn in turns[-2:])
        shown[row] = (open_image(images[0]) if images else None, caption)
    filled = [(title, [shown[row] for row in rows]) for title, rows in groups.items() if len(rows)]
    return cluster_sample_figure(filled, width_pixels=width_pixels)


def task_counts(samples: Table, rows: NDArray[np.integer] | None = None) -> dict[str, int]:
    """Rows per task, of the whole table or of some rows."""
    frame = samples.scan().select("row", "task")
    if rows is not None:
        frame = frame.filter(pl.col("row").is_in(rows.tolist()))
    counts = (
        frame.group_by(pl.col("task").fill_null("(none)"), maintain_order=True)
        .len()
        .sort("task", maintain_order=True)
        .collect()
    )
    return dict(counts.iter_rows())


def _evenly(values: NDArray[np.integer], n_shown: int) -> NDArray[np.integer]:
    """At most so many of the values, evenly spaced, the first and the last among them."""
    return values[np.unique(np.linspace(0, len(values) - 1, n_shown).round().astype(int))]


def _frame_table(frame: pl.DataFrame) -> Markdown:
    return markdown_table(frame.columns, frame.iter_rows())
