"""Pictures of a run as PNG bytes: same input, same bytes; no global plotting state, no text left unescaped."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.report.canvas import COLOURS, GREY, INK, LINES, MARKERS, draw
from xmas_assets.report.tables import budget_percent
from xmas_assets.report.text import figure_text

_COLUMNS = 4


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
