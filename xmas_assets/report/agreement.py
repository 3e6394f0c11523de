"""What the theory check found, for people: a verdict in words, a table, a picture."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from xmas_assets.core.arrays import FloatArray
from xmas_assets.report.canvas import COLOURS, INK, LINES, MARKERS, draw, markdown_image
from xmas_assets.report.text import Markdown, markdown_cell

_BIN_EDGES = np.array([0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1])  # shares of the pairs, the nearest first


def describe_agreement(
    table: pl.DataFrame, attention: Mapping[str, FloatArray], direction: FloatArray, *, n_without: int
) -> dict[str, object]:
    """The verdict, the table and the picture.

    Args:
        table: A row per population of pairs and two distances.
        attention: Distances of all pairs by name, each (n_pairs,).
        direction: 1 - cosine of the gradients of the same pairs.
        n_without: Rows that could not take part.
    """
    cells = agreement_cells(table)
    lines = [cells.columns, ["---"] * cells.width, *cells.iter_rows()]
    return {
        "verdict": " ".join(agreement_verdict(table)),
        "rows compared": table["n_rows"].max(),
        "rows without attention to an image or a gradient": n_without,
        "agreement": Markdown("\n".join(f"| {' | '.join(map(markdown_cell, line))} |" for line in lines)),
        "gradients of the pairs nearest in attention": markdown_image(agreement_figure(attention, direction)),
    }


def agreement_cells(table: pl.DataFrame) -> pl.DataFrame:
    """The table as text, each statistic with its interval in one cell."""

    def cell(name: str) -> pl.Expr:
        value, low, high = (pl.col(f"{name}{end}").round(2).cast(pl.String) for end in ("", "_low", "_high"))
        return pl.format("{} ({}..{})", *(part.fill_null("-") for part in (value, low, high))).alias(name)

    names = (pl.col(name).str.replace_all("_", " ") for name in ("pairs", "attention", "gradient"))
    return table.select(*names, pl.col("n_pairs").alias("n"), cell("spearman"), cell("auc"))


def agreement_verdict(table: pl.DataFrame) -> list[str]:
    """Whether similar attention goes with similar gradient directions, in a sentence or two per attention distance."""
    rows = table.filter(pairs="all", gradient="direction")
    sentences = []
    for row in rows.iter_rows(named=True):
        overall = _strength(row, "spearman", 0.0, (0.1, 0.3, 0.6))
        nearest = _strength(row, "auc", 0.5, (0.6, 0.7, 0.9))
        sentences.append(
            f"{row['attention'].replace('_', ' ')}: {overall} with the direction of gradients over all pairs "
            f"(rank correlation {_interval(row, 'spearman')}), {nearest} with which 1 % of the pairs are "
            f"nearest in direction (AUC {_interval(row, 'auc')})."
        )
    return sentences


def agreement_figure(attention: Mapping[str, FloatArray], direction: FloatArray) -> bytes:
    """How far gradients point apart in pairs binned by nearness in attention: median, 10th and 90th percentile.

    Args:
        attention: Distances by name, each (n_pairs,).
        direction: 1 - cosine of the gradients of the same pairs.
    """
    edges = np.unique(np.ceil(_BIN_EDGES * len(direction)).astype(int))
    places = np.sqrt(np.maximum(edges[:-1], edges[1:] / 10) * edges[1:]) * 100 / len(direction)

    def paint(figure) -> None:
        axes = figure.subplots()
        for number, (name, distances) in enumerate(attention.items()):
            ordered = direction[np.argsort(distances, kind="stable")]
            bins = [ordered[low:high] for low, high in zip(edges[:-1], edges[1:], strict=True)]
            low, middle, high = np.array([np.percentile(values, (10, 50, 90)) for values in bins]).T
            axes.errorbar(
                places * 1.05 ** (number - (len(attention) - 1) / 2),
                middle,
                yerr=[middle - low, high - middle],
                capsize=3,
                color=COLOURS[number],
                marker=MARKERS[number],
                linestyle=LINES[number],
                label=name.replace("_", " "),
            )
        axes.axhline(float(np.median(direction)), color=INK, linewidth=1.2, label="median of all pairs")
        axes.set(xscale="log", xlabel="pairs, nearest in attention first (%)")
        axes.set_ylabel("1 - cosine of their gradients")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    return draw(paint, height=3.6)


def _strength(row: dict, name: str, none: float, steps: tuple[float, float, float]) -> str:
    """A statistic in words; 'not shown to go' where its interval holds the value of no relation."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if value is None or low is None or high is None:
        return "too few pairs to know whether it goes"
    if low <= none <= high:
        return "not shown to go"
    if value < none:
        return "goes the other way round"
    words = ("hardly goes", "goes weakly", "goes moderately", "goes strongly")
    return words[sum(value >= step for step in steps)]


def _interval(row: dict, name: str) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if value is None:
        return "unknown"
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f}, {low:.2f}..{high:.2f}"
