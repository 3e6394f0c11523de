"""From stored answers to tables: scores with intervals, differences from random, and what survives many comparisons."""

import numpy as np
import polars as pl
from scipy import stats

from study.design import Experiment
from study.running import read_results
from xmas_assets.report.leaderboard import build_leaderboard


def table(experiment: Experiment) -> pl.DataFrame:
    """The leaderboard over all units, with ``q_value``: the paired t-test against random, corrected.

    The correction is Benjamini and Hochberg's, over all methods and budgets of the experiment: the expected share of
    false discoveries among the rows with ``q_value`` <= 0.05 is 5 %.
    """
    answers, costs, blind = read_results(experiment)
    baselines = {str(name): frame.drop("baseline") for (name,), frame in blind.group_by("baseline")}
    board = build_leaderboard(answers, baselines, costs=costs)
    return board.join(_tests(answers), on=["method", "budget"], how="left")


def _tests(answers: pl.DataFrame) -> pl.DataFrame:
    """Paired t-tests of each method against random over units, two-sided."""
    per_task = answers.group_by("method", "budget", "seed", "task").agg(pl.col("score").mean())
    scores = per_task.group_by("method", "budget", "seed").agg(pl.col("score").mean())
    random = scores.filter(pl.col("method") == "random").select("budget", "seed", random="score")
    pairs = scores.filter(pl.col("method") != "random").join(random, on=["budget", "seed"]).sort("seed")
    rows = []
    for (method, budget), cell in pairs.group_by("method", "budget"):
        moves = (cell["score"] - cell["random"]).to_numpy()
        p_value = stats.ttest_1samp(moves, 0.0).pvalue if len(moves) > 1 and np.ptp(moves) > 0 else 1.0
        rows.append((method, budget, float(p_value)))
    tests = pl.DataFrame(rows, schema=["method", "budget", "p_value"], orient="row")
    return tests.with_columns(q_value=pl.Series(stats.false_discovery_control(tests["p_value"].to_numpy())))
