"""From stored answers to tables: scores with intervals, differences from random, and what survives many comparisons."""

from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from study.design import Experiment
from study.running import read_results
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.evaluation.leaderboard import build_leaderboard, compare_selections


def table(experiment: Experiment) -> pl.DataFrame:
    """The leaderboard over all units, with ``q_value``: the paired t-test against random, corrected.

    The correction is Benjamini and Hochberg's, over all methods and budgets of the experiment: the expected share of
    false discoveries among the rows with ``q_value`` <= 0.05 is 5 %.
    """
    answers, costs, blind = read_results(experiment)
    baselines = {
        str(name): frame.drop("baseline") for (name,), frame in blind.group_by("baseline", maintain_order=True)
    }
    board = build_leaderboard(answers, baselines, costs=costs)
    return board.join(_tests(answers), on=["method", "budget"], how="left")


def _tests(answers: pl.DataFrame) -> pl.DataFrame:
    """Paired t-tests of each method against random over units, two-sided."""
    per_task = answers.group_by("method", "budget", "seed", "task", maintain_order=True).agg(pl.col("score").mean())
    scores = per_task.group_by("method", "budget", "seed", maintain_order=True).agg(pl.col("score").mean())
    random = scores.filter(pl.col("method") == "random").select("budget", "seed", random="score")
    pairs = (
        scores.filter(pl.col("method") != "random")
        .join(random, on=["budget", "seed"])
        .sort("seed", maintain_order=True)
    )
    rows = []
    for (method, budget), cell in pairs.group_by("method", "budget", maintain_order=True):
        moves = (cell["score"] - cell["random"]).to_numpy()
        test: Any = stats.ttest_1samp(moves, 0.0)
        rows.append((method, budget, float(test.pvalue) if len(moves) > 1 and np.ptp(moves) > 0 else 1.0))
    tests = pl.DataFrame(rows, schema=["method", "budget", "p_value"], orient="row")
    # The oracle is no competitor: a sure rejection among the tests would make all others look surer.
    tests = tests.filter(~pl.col("method").str.starts_with("oracle"))
    return tests.with_columns(q_value=pl.Series(stats.false_discovery_control(tests["p_value"].to_numpy())))


def difference(first: tuple[Experiment, str], second: tuple[Experiment, str], budget: str) -> dict[str, float]:
    """One method minus another at one budget, over the units that both have; they may be of two experiments.

    Returns:
        ``difference``, ``low`` and ``high`` (95 %) in [-1, 1], and ``n_seeds``, the units.
    """
    sides = []
    for name, (experiment, method) in zip(("first", "second"), (first, second), strict=True):
        answers, _, _ = read_results(experiment)
        chosen = (pl.col("method") == method) & (pl.col("budget") == SelectionKey.make(method, budget, 0).budget_text)
        sides.append(answers.filter(chosen).with_columns(method=pl.lit(name), budget=pl.lit("1")))
    compared = compare_selections(pl.concat(sides), ("first", "1"), ("second", "1"))
    return (
        compared.filter(pl.col("task") == "(all tasks)")
        .select("difference", "low", "high", "n_seeds")
        .row(0, named=True)
    )


def mean_score(experiment: Experiment, method: str, budget: str) -> float:
    """Mean over skills, units and questions of one method at one budget, in [0, 1]."""
    answers, _, _ = read_results(experiment)
    wanted = (pl.col("method") == method) & (pl.col("budget") == SelectionKey.make(method, budget, 0).budget_text)
    by_task = answers.filter(wanted).group_by("task", maintain_order=True).agg(pl.col("score").mean())
    return by_task.select(pl.col("score").mean()).item()


def gate(experiment: Experiment) -> pl.DataFrame:
    """Per skill: what full data scores, the majority answer, and the gap between them."""
    answers, _, blind = read_results(experiment)
    full = (
        answers.filter(pl.col("method") == "full")
        .group_by("task", maintain_order=True)
        .agg(full=pl.col("score").mean())
    )
    majority = (
        blind.filter(pl.col("baseline") == "majority")
        .group_by("task", maintain_order=True)
        .agg(majority=pl.col("score").mean())
    )
    return (
        full.join(majority, on="task")
        .with_columns(gap=pl.col("full") - pl.col("majority"))
        .sort("task", maintain_order=True)
    )
