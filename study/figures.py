"""The study's pictures: methods against random, the map, the rule, and the theory over training."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from study.design import GROUP_SIZES, TAILS, Experiment
from xmas_assets.report.canvas import COLOURS, GREY, INK, LINES, MARKERS, draw


def methods_figure(tables: Mapping[str, pl.DataFrame]) -> bytes:
    """Points above random with 95 % intervals: a panel per dataset and a line per method.

    Args:
        tables: Leaderboards by the panel's title; the first has all methods, in the order of its largest budget.
    """
    budgets = sorted({float(text) for board in tables.values() for text in board["budget"].drop_nulls()} - {1.0})
    order = next(iter(tables.values())).filter(pl.col("budget").cast(pl.Float64) == budgets[-1])
    methods = order.drop_nulls("vs_random").sort("vs_random", maintain_order=True)["method"].to_list()
    ends = pl.concat([board.select("vs_random_low", "vs_random_high") for board in tables.values()])
    limits = (100 * ends["vs_random_low"].min() - 3, 100 * ends["vs_random_high"].max() + 3)  # pyright: ignore[reportOperatorIssue]

    def paint(figure) -> None:
        panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
        for panel, (title, board) in zip(panels, tables.items(), strict=True):
            for number, budget in enumerate(budgets):
                cell = board.filter((pl.col("budget").cast(pl.Float64) == budget) & pl.col("method").is_in(methods))
                places = np.array([methods.index(method) for method in cell["method"]]) + 0.2 * (0.5 - number)
                middle, low, high = (
                    100 * cell[name].to_numpy() for name in ("vs_random", "vs_random_low", "vs_random_high")
                )
                panel.errorbar(
                    middle,
                    places,
                    xerr=[middle - low, high - middle],
                    fmt=MARKERS[number],
                    color=COLOURS[number],
                    markersize=4,
                    label=f"{budget:.0%}",
                )
            panel.axvline(0, color=INK, linewidth=1.2)
            panel.set(title=title, xlim=limits)
        panels[0].set_yticks(range(len(methods)), methods)
        panels[-1].legend(loc="center right", title="budget")
        figure.supxlabel("points above random (95 % interval)")

    return draw(paint, height=1.2 + 0.3 * len(methods))


def map_figure(method: str, cells: Sequence[Experiment], tables: Mapping[str, pl.DataFrame]) -> bytes:
    """Gain over random in points: near-duplicates per example across, budget down, one panel per tail."""
    budgets = cells[0].budgets

    def paint(figure) -> None:
        panels = figure.subplots(1, len(TAILS), sharey=True, squeeze=False)[0]
        for panel, tail in zip(panels, TAILS, strict=True):
            gains = np.full((len(budgets), len(GROUP_SIZES)), np.nan)
            for column, size in enumerate(GROUP_SIZES):
                board = tables[f"map_shapes_{tail}_g{size}"].filter(pl.col("method") == method)
                for budget, gain, low, high in board.select(
                    pl.col("budget").cast(pl.Float64), "vs_random", "vs_random_low", "vs_random_high"
                ).iter_rows():
                    line = [float(text) for text in budgets].index(budget)
                    gains[line, column] = 100 * gain
                    star = "*" if low is not None and (low > 0 or high < 0) else ""
                    panel.text(column, line, f"{100 * gain:+.0f}{star}", ha="center", va="center")
            panel.imshow(gains, cmap="RdBu", vmin=-20, vmax=20, aspect="auto")
            panel.set_xticks(range(len(GROUP_SIZES)), [str(size) for size in GROUP_SIZES])
            panel.set_yticks(range(len(budgets)), [f"{float(text):.0%}" for text in budgets])
            panel.set(title=f"{tail} tail", xlabel="near-duplicates per example")
            panel.grid(visible=False)
        panels[0].set_ylabel("budget")
        figure.suptitle(f"{method}: points above random (* 95 % interval without 0)")

    return draw(paint, height=3.4)


def rule_figure(seen: pl.DataFrame, threshold: float, pays_from: float) -> bytes:
    """Gain over random by a random subset's expected loss to repeats, a mark per dataset and budget.

    Args:
        seen: As from ``rule.observations``.
        threshold: The rule's border.
        pays_from: Gain from which on selection pays.
    """
    parts = {"map": "map (fitted to)", "fresh": "fresh (made to try it)", "": "others"}

    def paint(figure) -> None:
        axes = figure.subplots()
        for number, (part, label) in enumerate(parts.items()):
            belongs = pl.col("part") == part if part else ~pl.col("part").is_in(list(parts))
            rows = seen.filter(belongs)
            middle, low, high = (100 * rows[name].to_numpy() for name in ("difference", "low", "high"))
            axes.errorbar(
                100 * rows["expected_loss"].to_numpy(),
                middle,
                yerr=[middle - low, high - middle],
                fmt=MARKERS[number],
                color=COLOURS[number],
                elinewidth=0.8,
                label=label,
            )
        axes.axvline(100 * threshold, color=INK, linestyle="--", linewidth=1.2, label="the rule's border")
        axes.axhline(100 * pays_from, color=GREY, linestyle=":", linewidth=1.2, label="pays from here on")
        axes.axhline(0, color=INK, linewidth=1.2)
        axes.set(
            xlabel="expected loss of a random subset to repeats (%)",
            ylabel="points above random (95 %)",
            ylim=(-40, 40),
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    return draw(paint, height=3.6)


def training_figure(within: pl.DataFrame) -> bytes:
    """How well attention at single checkpoints finds the nearest gradients, a line per dataset and kind of attention.

    Args:
        within: Columns ``experiment``, ``attention``, ``checkpoint`` and ``auc`` (mean over units).
    """
    attentions = sorted(within["attention"].unique())

    def paint(figure) -> None:
        axes = figure.subplots()
        for colour, (names, rows) in enumerate(within.group_by("experiment", maintain_order=True)):
            for style, attention in enumerate(attentions):
                line = rows.filter(pl.col("attention") == attention).sort("checkpoint", maintain_order=True)
                axes.plot(
                    line["checkpoint"],
                    line["auc"],
                    color=COLOURS[colour % len(COLOURS)],
                    linestyle=LINES[style],
                    marker=MARKERS[style],
                    markersize=4,
                    label=f"{names[0]}, {attention.replace('_', ' ')}",
                )
        axes.axhline(0.5, color=INK, linewidth=1.2)
        axes.set(xlabel="checkpoint of the proxy", ylabel="AUC of the nearest 1 % in gradient")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)

    return draw(paint, height=4.2)
