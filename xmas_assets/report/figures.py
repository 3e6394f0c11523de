"""Pictures of a run as PNG bytes: same input, same bytes; no global plotting state, no text left unescaped."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from xmas_assets.report.canvas import COLOURS, GREY, INK, LINES, MARKERS, draw
from xmas_assets.report.tables import budget_percent
from xmas_assets.report.text import figure_text, visible

_COLUMNS = 4
_THUMBNAIL_PIXELS = 192


def trajectory_figure(
    trajectories: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    steps: Sequence[int],
    n_shown: int = 12,
    noun: str = "cluster",
) -> bytes:
    """Attention over training in some clusters: line = median row, band = 10th to 90th percentile.

    Args:
        trajectories: Attention value, shape (n_samples, n_checkpoints).
        labels: Cluster of each row, shape (n_samples,); negative (no image) is left out.
        steps: Optimiser step of each checkpoint, ascending.
        n_shown: Panels at most; clusters are taken evenly along the ranking by size, the largest first.
        noun: What a label stands for, in the panels' titles.
    """
    clusters, sizes = _by_size(labels)
    shown = np.unique(np.linspace(0, len(clusters) - 1, min(n_shown, len(clusters))).round().astype(int))
    n_rows = -(-len(shown) // _COLUMNS)

    def paint(figure) -> None:
        panels = figure.subplots(n_rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, rank in zip(panels, shown, strict=False):
            low, median, high = np.percentile(trajectories[labels == clusters[rank]], (10, 50, 90), axis=0)
            panel.fill_between(steps, low, high, color=COLOURS[0], alpha=0.25, linewidth=0)
            panel.plot(steps, median, color=COLOURS[0])
            panel.set_title(f"{noun} {clusters[rank]}: {sizes[rank]:,} rows")
        for panel in panels[len(shown) :]:
            panel.set_visible(False)
        figure.supxlabel("optimiser steps")
        figure.supylabel("cross-modal attention\n(sum of singular values)")

    return draw(paint, height=1.0 + 1.5 * n_rows)


def cluster_size_figure(labels: NDArray[np.integer]) -> bytes:
    """Rows per cluster, largest first, on a logarithmic scale; negative labels (no image) are left out."""
    _, sizes = _by_size(labels)
    ranks = np.arange(1, len(sizes) + 1)
    median = float(np.median(sizes))

    def paint(figure) -> None:
        axes = figure.subplots()
        axes.fill_between(ranks, sizes, 0.8, step="mid", color=COLOURS[0], alpha=0.25, linewidth=0)
        axes.step(ranks, sizes, where="mid", color=COLOURS[0])
        axes.axhline(median, color=INK, linestyle="--", linewidth=1)
        axes.annotate(
            f"median {median:,.0f} rows", (ranks[-1], median), xytext=(0, 4), textcoords="offset points", ha="right"
        )
        axes.set(xlabel="clusters, largest first", ylabel="rows in the cluster")
        axes.set(yscale="log", xlim=(0.5, len(sizes) + 0.5), ylim=(0.8, None))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")

    return draw(paint, height=3.5)


def cluster_sample_figure(groups: Sequence[tuple[str, Sequence[tuple[Image.Image | None, str]]]]) -> bytes:
    """Rows of thumbnails: one row per cluster, under each picture its caption.

    Args:
        groups: Per cluster a title and its samples (image, or None for a text-only row; caption).
    """
    n_columns = max(len(samples) for _, samples in groups)

    def paint(figure) -> None:
        panels = figure.subplots(len(groups), n_columns, squeeze=False)
        for panel_row, (title, samples) in zip(panels, groups, strict=True):
            for panel in panel_row:
                panel.set_axis_off()
            panel_row[0].set_title(figure_text(title, 60), loc="left", fontweight="bold")
            for panel, (image, caption) in zip(panel_row, samples, strict=False):
                panel.imshow(_thumbnail(image), interpolation="nearest")
                if image is None:
                    panel.text(0.5, 0.5, "no image", transform=panel.transAxes, ha="center", va="center", color=GREY)
                panel.text(0.5, -0.05, _wrapped(caption), transform=panel.transAxes, ha="center", va="top", fontsize=8)

    return draw(paint, height=0.3 + len(groups) * (7.0 / n_columns + 0.8))


def budget_score_figure(leaderboard: pl.DataFrame) -> bytes:
    """Score against budget per method with 95 % intervals; full data and the majority answer as horizontal lines."""
    curves = leaderboard.filter(pl.col("budget").is_not_null(), pl.col("method") != "full")
    curves = curves.with_columns(share=100 * pl.col("budget").cast(pl.Float64)).sort(
        "share", "method", maintain_order=True
    )
    looks = _method_looks(curves["method"].to_list())

    def paint(figure) -> None:
        axes = figure.subplots()
        for position, (method, look) in enumerate(looks.items()):
            rows = curves.filter(method=method)
            # Set side by side, so that intervals of equal budgets do not hide each other.
            shares = rows["share"].to_numpy() * 1.02 ** (position - (len(looks) - 1) / 2)
            scores, low, high = (100 * rows[name].to_numpy() for name in ("score", "score_low", "score_high"))
            axes.errorbar(
                shares,
                scores,
                yerr=np.nan_to_num([scores - low, high - scores]),
                capsize=3,
                label=figure_text(method),
                **look,
            )
        for method, style in (("full", "-"), ("majority", ":")):
            for score in leaderboard.filter(method=method)["score"].drop_nulls():
                axes.axhline(
                    100 * score, color=INK, linestyle=style, linewidth=1.2, label=f"{method} ({100 * score:.1f} %)"
                )
        axes.set(xscale="log", xlabel="budget (% of the rows)", ylabel="score (%, mean over tasks)")
        budgets = curves.unique("share", maintain_order=True)
        axes.set_xticks(budgets["share"].to_list(), [budget_percent(budget) for budget in budgets["budget"]])
        axes.minorticks_off()
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    return draw(paint, height=4.2)


def task_composition_figure(compositions: Mapping[str, Mapping[str, int]], *, n_shown: int = 7) -> bytes:
    """Share of each task in the whole dataset and in every subset, as stacked bars.

    Args:
        compositions: Name of a bar to rows per task, from top to bottom; put the whole dataset first.
        n_shown: Tasks with a colour of their own, the most frequent of the first bar; the rest is one grey "other".
    """
    first = next(iter(compositions.values()))
    tasks = sorted({task for counts in compositions.values() for task in counts}, key=lambda t: (-first.get(t, 0), t))
    names = list(compositions)
    totals = np.array([sum(compositions[name].values()) for name in names])
    parts = [(figure_text(task, 24), [task], COLOURS[i % len(COLOURS)]) for i, task in enumerate(tasks[:n_shown])]
    if len(tasks) > n_shown:
        rest = tasks[n_shown:]
        parts.append((f"other ({len(rest)} tasks)" if len(rest) > 1 else figure_text(rest[0], 24), rest, GREY))

    def paint(figure) -> None:
        axes = figure.subplots()
        left = np.zeros(len(names))
        for label, members, colour in parts:
            counts = [sum(compositions[name].get(task, 0) for task in members) for name in names]
            shares = 100 * np.array(counts) / totals
            axes.barh(range(len(names)), shares, left=left, color=colour, edgecolor="white", label=label)
            left += shares
        axes.set_yticks(range(len(names)), [figure_text(name, 32) for name in names])
        for position, name in enumerate(names):
            axes.text(101, position, f"{sum(compositions[name].values()):,} rows", va="center", fontsize=9)
        axes.set(xlabel="share of the rows (%)", xlim=(0, 100))
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        figure.legend(loc="outside upper left", ncols=4)

    return draw(paint, height=1.4 + 0.36 * len(names))


def loss_figure(losses: Sequence[float]) -> bytes:
    """Training loss by optimiser step: thin = each step's, thick = running median over a tenth of them."""
    values = np.asarray(losses, dtype=np.float64)
    width = max(1, len(values) // 20)
    steps = np.arange(1, len(values) + 1)
    medians = [np.median(values[max(0, i - width) : i + width + 1]) for i in range(len(values))]

    def paint(figure) -> None:
        axes = figure.subplots()
        axes.plot(steps, values, color=COLOURS[0], alpha=0.35, linewidth=0.8, label="each step")
        axes.plot(steps, medians, color=COLOURS[0], linewidth=2, label="running median")
        axes.set(xlabel="optimiser steps", ylabel="training loss (nats per token)")
        axes.set_ylim(bottom=0)
        axes.legend()

    return draw(paint, height=3.2)


def histogram_figure(values: Mapping[str, NDArray[np.floating]]) -> bytes:
    """How some columns' values are distributed, one panel each; between the 0.5th and the 99.5th percentile.

    Args:
        values: By title, finite values, shape (n_rows,), of one row or more.
    """

    def paint(figure) -> None:
        panels = figure.subplots(1, len(values), squeeze=False).ravel()
        for panel, (title, column) in zip(panels, values.items(), strict=True):
            low, high = np.percentile(column, (0.5, 99.5))
            panel.hist(np.clip(column, low, high), bins=40, color=COLOURS[0])
            panel.set_title(figure_text(title))
        figure.supylabel("rows")

    return draw(paint, height=2.2)


def _by_size(labels: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Clusters and their sizes, the largest first, equal sizes by cluster number."""
    clusters, sizes = np.unique(labels[labels >= 0], return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    return clusters[order], sizes[order]


def _method_looks(methods: list[str]) -> dict[str, dict[str, str]]:
    """Colour, marker and line style per method; ``random`` is grey, being what the others are held against."""
    looks = {}
    for position, method in enumerate(sorted(set(methods) - {"random"}, key=lambda name: (name != "xmas", name))):
        turn, colour = divmod(position, len(COLOURS))
        looks[method] = {"color": COLOURS[colour], "marker": MARKERS[colour], "linestyle": LINES[turn % len(LINES)]}
    return looks | ({"random": {"color": GREY, "marker": "x", "linestyle": "--"}} if "random" in methods else {})


def _thumbnail(image: Image.Image | None) -> NDArray[np.uint8]:
    if image is None:
        return np.full((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS, 3), 240, dtype=np.uint8)
    small = image.convert("RGB")
    small.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS))
    return np.asarray(small)


def _wrapped(caption: str, width: int = 18, n_lines: int = 4) -> str:
    """The caption in short lines, cut off after the last."""
    lines = textwrap.wrap(visible(caption, 200), width, max_lines=n_lines, placeholder=" …")
    return "\n".join(figure_text(line, width) for line in lines)
