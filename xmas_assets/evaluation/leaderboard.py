"""The leaderboard of a dataset: score, Rel%, difference from random and cost per method and budget, with intervals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from xmas_assets.contracts.errors import StoreError
from xmas_assets.core.statistics import (
    Interval,
    can_be_compared,
    holm,
    lowest,
    paired_difference_interval,
    ratio_interval,
    score_interval,
)
from xmas_assets.evaluation.score_matrices import Scores, known_questions, score_matrices, with_baselines

_SCHEMA = {
    "method": pl.String,
    "budget": pl.String,
    "n_seeds": pl.Int64,
    "n_questions": pl.Int64,
    "coverage": pl.Float64,
    "score": pl.Float64,
    "score_low": pl.Float64,
    "score_high": pl.Float64,
    "rel_percent": pl.Float64,
    "rel_low": pl.Float64,
    "rel_high": pl.Float64,
    "rel_n_seeds": pl.Int64,
    "vs_random": pl.Float64,
    "vs_random_low": pl.Float64,
    "vs_random_high": pl.Float64,
    "vs_random_n_seeds": pl.Int64,
    "vs_random_p": pl.Float64,
    "vs_blind": pl.Float64,
    "vs_blind_low": pl.Float64,
    "vs_blind_high": pl.Float64,
    "comparable": pl.Boolean,
}
_BOOTSTRAP_SEED = 0  # one for all rows: the same resampled images everywhere, and no row depends on another


def build_leaderboard(
    answers: pl.DataFrame | pl.LazyFrame,
    baselines: Mapping[str, pl.DataFrame],
    *,
    costs: pl.DataFrame,
    n_resamples: int = 2000,
) -> pl.DataFrame:
    """One row per method and budget, by budget and falling score, then one row per baseline.

    Args:
        answers: Every answered question of every selection of a dataset: ``method``, ``budget`` (decimal string),
            ``seed``, ``question_id``, ``image_hash`` (null without image), ``task``, ``score`` in [0, 1] (null: no
            answer). A question that any frame knows counts for all: where it has no row, it is unanswered.
        baselines: Name to ``question_id``, ``image_hash``, ``task``, ``score``; these have no budget and no seeds.
        costs: ``method``, ``budget``, ``seed``, ``cpu_seconds_selection``, ``cpu_seconds_training`` per selection.
        n_resamples: Bootstrap resamples per interval.

    Returns:
        Scores and ``coverage`` as fractions, ``rel_*`` in percent of method ``full``, ``vs_random*`` as the score's
        difference from ``random`` at the same budget, costs as means over seeds in CPU seconds. Rel% and the
        difference use only the seeds that both sides have (``rel_n_seeds``, ``vs_random_n_seeds``); null where there
        is no counterpart. A null interval with a score could not be estimated (one image, or full data scoring 0).
        ``vs_random_p`` is corrected for the number of comparisons in the table. ``vs_blind*`` is the difference from
        the best of ``baselines``; ``comparable`` says, alike in every row, whether that of ``full`` is above 0 beyond
        chance. Where it is not, nothing can be compared and Rel% is null.

    Raises:
        StoreError: If there is nothing to rank, a question was answered twice in one selection, or one question id
            belongs to two tasks or images.
    """
    frame = with_baselines(answers, baselines)
    questions = known_questions(frame)
    selections = score_matrices(frame, questions)
    full = _full(selections)
    blind = _blind(selections)
    design = {"strata": questions["task"].to_numpy(), "clusters": questions["image"].to_numpy()}
    design |= {"n_resamples": n_resamples}
    comparable = can_be_compared(_over_blind(full, blind, design=design))
    rows = []
    for (method, budget), scores in selections.items():
        random = selections.get(("random", budget)) if method != "random" else None
        seeds = len(scores.seeds) or None
        row = {"method": method, "budget": budget, "n_seeds": seeds, "n_questions": len(questions)}
        row["comparable"] = comparable
        reference = full if comparable else None
        rows.append(row | _measures(scores, reference, random=random, blind=blind, design=design))
    table = pl.DataFrame(rows, schema=_SCHEMA).join(_mean_costs(costs), on=["method", "budget"], how="left")
    corrected = holm(table["vs_random_p"].fill_null(math.nan).to_numpy())
    return table.with_columns(vs_random_p=pl.Series(corrected).fill_nan(None)).sort(
        pl.col("budget").cast(pl.Float64),
        "score",
        "method",
        descending=[False, True, False],
        nulls_last=True,
        maintain_order=True,
    )


def build_per_task(answers: pl.DataFrame | pl.LazyFrame, baselines: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Score of each task, by budget, method and task: ``method``, ``budget``, ``task``, ``n_answers``, ``score``, ....

    Args:
        answers: As in ``build_leaderboard``.
        baselines: As in ``build_leaderboard``; their rows have a null budget and come last.

    Returns:
        Mean over seeds of the mean over the answered questions; null where a task has no answer. ``comparable`` is that
        of ``build_leaderboard`` for the task alone.
    """
    frame = with_baselines(answers, baselines)
    by_seed = frame.group_by("method", "budget", "task", "seed", maintain_order=True).agg(
        pl.col("score").count().alias("n_answers"), pl.col("score").mean()
    )
    table = by_seed.group_by("method", "budget", "task", maintain_order=True).agg(
        pl.col("n_answers").sum(), pl.col("score").sort_by("seed", maintain_order=True).mean()
    )
    table = table.join(_comparable_tasks(frame), on="task", how="left", maintain_order="left")
    return table.sort(pl.col("budget").cast(pl.Float64), "method", "task", nulls_last=True, maintain_order=True)


def compare_selections(answers: pl.DataFrame, first: tuple[str, str], second: tuple[str, str]) -> pl.DataFrame:
    """Two methods on the same seeds and questions, over all tasks (macro mean) and task by task.

    Args:
        answers: As in ``build_leaderboard``.
        first: Method and budget (decimal string).
        second: Method and budget to subtract.

    Returns:
        ``task``, ``first``, ``second`` (scores), ``difference``, ``low``, ``high`` (95 % interval), ``n_seeds``.

    Raises:
        StoreError: If one of them was not scored, or they have no seed in common.
    """
    frame = with_baselines(answers, {})
    questions = known_questions(frame)
    selections = score_matrices(frame, questions)
    for wanted in (first, second):
        if wanted not in selections:
            seen = ", ".join(f"{method}@{budget}" for method, budget in selections)
            raise StoreError(f"{wanted[0]}@{wanted[1]} has not been scored; there are {seen}")
    one, other = selections[first], selections[second]
    seeds = one.common_seeds(other)
    if not seeds:
        raise StoreError(f"{first[0]} and {second[0]} have no seed in common; run both with the same --seeds")
    tasks, images = questions["task"].to_numpy(), questions["image"].to_numpy()
    rows = []
    for task in ("(all tasks)", *sorted(set(tasks))):
        asked = np.full(len(tasks), True) if task == "(all tasks)" else tasks == task
        design: dict[str, Any] = {"strata": tasks[asked], "clusters": images[asked]}
        a, b = one.at(seeds)[:, asked], other.at(seeds)[:, asked]
        scores = [score_interval(side, **design, rng=np.random.default_rng(_BOOTSTRAP_SEED)) for side in (a, b)]
        gap = paired_difference_interval(a, b, **design, rng=np.random.default_rng(_BOOTSTRAP_SEED))
        rows.append((task, scores[0].estimate, scores[1].estimate, gap.estimate, gap.low, gap.high, gap.n_seeds))
    return pl.DataFrame(rows, schema=["task", "first", "second", "difference", "low", "high", "n_seeds"], orient="row")


def _full(selections: Mapping[tuple[str, str | None], Scores]) -> Scores | None:
    return next((scores for (method, _), scores in selections.items() if method == "full"), None)


def _blind(selections: Mapping[tuple[str, str | None], Scores]) -> list[Scores]:
    return [scores for (_, budget), scores in selections.items() if budget is None]


def _over_blind(scores: Scores | None, blind: Sequence[Scores], *, design: dict[str, Any]) -> Interval | None:
    """Difference from the best blind baseline; None where there is nothing to compare."""
    if scores is None:
        return None
    pairs = (_paired(paired_difference_interval, scores, other=other, design=design) for other in blind)
    return lowest(pair for pair in pairs if pair)


def _comparable_tasks(frame: pl.DataFrame) -> pl.DataFrame:
    """``task`` and ``comparable``."""
    questions = known_questions(frame)
    selections = score_matrices(frame, questions)
    full, blind = _full(selections), _blind(selections)
    tasks, images = questions["task"].to_numpy(), questions["image"].to_numpy()
    rows = []
    for task in sorted(set(tasks)):
        asked = tasks == task
        design = {"strata": tasks[asked], "clusters": images[asked]}
        of_task = [replace(scores, values=scores.values[:, asked]) for scores in blind]
        difference = _over_blind(full and replace(full, values=full.values[:, asked]), of_task, design=design)
        rows.append((task, can_be_compared(difference)))
    return pl.DataFrame(rows, schema={"task": pl.String, "comparable": pl.Boolean}, orient="row")


def _measures(
    scores: Scores,
    full: Scores | None,
    *,
    random: Scores | None,
    blind: Sequence[Scores],
    design: dict[str, Any],
) -> dict[str, float | None]:
    """The measured columns of one row."""
    score = score_interval(scores.values, **design, rng=np.random.default_rng(_BOOTSTRAP_SEED))
    rel = _paired(ratio_interval, scores, other=full, design=design)
    difference = _paired(paired_difference_interval, scores, other=random, design=design)
    over_blind = _over_blind(scores, blind, design=design) if scores.seeds else None
    row: dict[str, float | None] = {"coverage": score.coverage}
    row["vs_random_p"] = _none_if_nan(difference.p_value()) if difference else None
    for name, prefix, interval in (
        ("score", "score", score),
        ("rel_percent", "rel", rel),
        ("vs_random", "vs_random", difference),
        ("vs_blind", "vs_blind", over_blind),
    ):
        ends = (interval.estimate, interval.low, interval.high) if interval else (math.nan,) * 3
        row |= dict(zip((name, f"{prefix}_low", f"{prefix}_high"), map(_none_if_nan, ends), strict=True))
    paired = {"rel_n_seeds": rel, "vs_random_n_seeds": difference}
    return row | {name: interval.n_seeds if interval else None for name, interval in paired.items()}


def _paired(
    measure: Callable[..., Interval], scores: Scores, *, other: Scores | None, design: dict[str, Any]
) -> Interval | None:
    """The comparison over common seeds; None if there is nothing to compare with."""
    seeds = scores.common_seeds(other) if other else ()
    if other is None or not seeds:
        return None
    return measure(scores.at(seeds), other.at(seeds), **design, rng=np.random.default_rng(_BOOTSTRAP_SEED))


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mean_costs(costs: pl.DataFrame) -> pl.DataFrame:
    """Mean over seeds, per method and budget."""
    return costs.group_by("method", "budget", maintain_order=True).agg(
        pl.col(f"cpu_seconds_{stage}")
        .sort_by("seed", maintain_order=True)
        .mean()
        .cast(pl.Float64)
        .alias(f"{stage}_cpu_seconds")
        for stage in ("selection", "training")
    )


def rel_percent_by_seed(answers: pl.DataFrame, leaderboard: pl.DataFrame) -> dict[tuple[str, str, int], float]:
    """Score of each model in percent of full data's with the same seed, if that is above 0; by method, budget and seed.

    Args:
        answers: As of ``build_leaderboard``.
        leaderboard: Made of them; what has no Rel % there has none here.
    """
    by_task = answers.group_by("method", "budget", "seed", "task", maintain_order=True).agg(pl.col("score").mean())
    scores = by_task.group_by("method", "budget", "seed", maintain_order=True).agg(pl.col("score").mean())
    full = scores.filter(pl.col("method") == "full", pl.col("score") > 0).select("seed", full="score")
    known = leaderboard.filter(pl.col("rel_percent").is_not_null()).select("method", "budget")
    rel = scores.join(known, on=["method", "budget"], how="semi", maintain_order="left").join(
        full, on="seed", maintain_order="left"
    )
    rows = rel.select("method", "budget", "seed", 100 * pl.col("score") / pl.col("full")).rows()
    return {(method, budget, seed): percent for method, budget, seed, percent in rows}
