"""The leaderboard of a dataset: score, Rel%, difference from random and cost per method and budget, with intervals."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from xmas_assets.contracts.errors import StoreError
from xmas_assets.core.arrays import FloatArray
from xmas_assets.core.statistics import Interval, paired_difference_interval, ratio_interval, score_interval

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
}
_ANSWER = ["method", "budget", "seed", "question_id", "image_hash", "task", "score"]
_BOOTSTRAP_SEED = 0  # one for all rows: the same resampled images everywhere, and no row depends on another


@dataclass(frozen=True)
class _Scores:
    """Scores of one method at one budget, or of a baseline, which has one row and no seeds.

    ``values`` has shape (n_seeds, n_questions), NaN where there is no answer.
    """

    seeds: tuple[int, ...]
    values: FloatArray

    def common_seeds(self, other: "_Scores") -> tuple[int, ...]:
        """Seeds that both have; a baseline is the same for any seed."""
        return tuple(seed for seed in other.seeds if seed in self.seeds) if self.seeds else other.seeds

    def at(self, seeds: tuple[int, ...]) -> FloatArray:
        """The rows of these seeds."""
        return self.values[[self.seeds.index(seed) if self.seeds else 0 for seed in seeds]]


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

    Raises:
        StoreError: If there is nothing to rank, a question was answered twice in one selection, or one question id
            belongs to two tasks or images.
    """
    frame = _with_baselines(answers, baselines)
    questions = _questions(frame)
    selections = _selections(frame, questions)
    full = next((scores for (method, _), scores in selections.items() if method == "full"), None)
    design = {"strata": questions["task"].to_numpy(), "clusters": questions["image"].to_numpy()}
    rows = []
    for (method, budget), scores in selections.items():
        random = selections.get(("random", budget)) if method != "random" else None
        seeds = len(scores.seeds) or None
        row = {"method": method, "budget": budget, "n_seeds": seeds, "n_questions": len(questions)}
        rows.append(row | _measures(scores, full, random=random, design=design | {"n_resamples": n_resamples}))
    table = pl.DataFrame(rows, schema=_SCHEMA).join(_mean_costs(costs), on=["method", "budget"], how="left")
    return table.sort(
        pl.col("budget").cast(pl.Float64),
        "score",
        "method",
        descending=[False, True, False],
        nulls_last=True,
        maintain_order=True,
    )


def build_per_task(answers: pl.DataFrame | pl.LazyFrame, baselines: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Score of each task: ``method``, ``budget``, ``task``, ``n_answers``, ``score``, by budget, method and task.

    Args:
        answers: As in ``build_leaderboard``.
        baselines: As in ``build_leaderboard``; their rows have a null budget and come last.

    Returns:
        Mean over seeds of the mean over the answered questions; null where a task has no answer.
    """
    frame = _with_baselines(answers, baselines)
    by_seed = frame.group_by("method", "budget", "task", "seed", maintain_order=True).agg(
        pl.col("score").count().alias("n_answers"), pl.col("score").mean()
    )
    table = by_seed.group_by("method", "budget", "task", maintain_order=True).agg(
        pl.col("n_answers").sum(), pl.col("score").sort_by("seed", maintain_order=True).mean()
    )
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
    frame = _with_baselines(answers, {})
    questions = _questions(frame)
    selections = _selections(frame, questions)
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


def _with_baselines(answers: pl.DataFrame | pl.LazyFrame, baselines: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Answers of selections and baselines in one frame; a baseline has neither budget nor seed."""
    frames = [answers.lazy().select(_ANSWER)]
    frames += [frame.lazy().select(_ANSWER[3:]).with_columns(method=pl.lit(name)) for name, frame in baselines.items()]
    frame = pl.concat(frames, how="diagonal_relaxed").with_columns(pl.col("task").fill_null("(none)")).collect()
    if frame.is_empty():
        raise StoreError("there are no benchmark answers to rank; score at least one selection first")
    key = _ANSWER[:4]
    twice = frame.filter(pl.struct(key).is_duplicated())
    if not twice.is_empty():
        seen = ", ".join(f"{name} {twice[name][0]}" for name in key)
        raise StoreError(f"a question has two answers in one selection ({seen}); score this selection again")
    return frame


def _questions(frame: pl.DataFrame) -> pl.DataFrame:
    """Every question once, by id: ``question_id``, ``task``, ``image`` (the question itself if it has none), ``at``."""
    known = frame.select("question_id", "image_hash", "task").unique().sort("question_id", maintain_order=True)
    twice = known.filter(pl.col("question_id").is_duplicated())
    if not twice.is_empty():
        raise StoreError(
            f"question id {twice['question_id'][0]} belongs to two tasks or images; make the benchmark's ids unique"
        )
    image = pl.coalesce("image_hash", "question " + pl.col("question_id").cast(pl.String))
    return known.select("question_id", "task", image.alias("image")).with_row_index("at")


def _selections(frame: pl.DataFrame, questions: pl.DataFrame) -> dict[tuple[str, str | None], _Scores]:
    """The score matrix of every (method, budget), in that order; a baseline's budget is None."""
    located = frame.join(questions.select("question_id", "at"), on="question_id").sort(
        "method", "budget", maintain_order=True
    )
    selections = {}
    for (method, budget), group in located.group_by(["method", "budget"], maintain_order=True):
        seeds = group["seed"].unique().sort()
        values = np.full((len(seeds), len(questions)), math.nan)
        scores = group["score"].cast(pl.Float64).fill_null(math.nan)
        values[seeds.search_sorted(group["seed"]).to_numpy(), group["at"].to_numpy()] = scores.to_numpy()
        selections[method, budget] = _Scores(tuple(seeds.drop_nulls()), values)
    return selections


def _measures(
    scores: _Scores, full: _Scores | None, *, random: _Scores | None, design: dict[str, Any]
) -> dict[str, float | None]:
    """The measured columns of one row."""
    score = score_interval(scores.values, **design, rng=np.random.default_rng(_BOOTSTRAP_SEED))
    rel = _paired(ratio_interval, scores, other=full, design=design)
    difference = _paired(paired_difference_interval, scores, other=random, design=design)
    row = {"coverage": score.coverage}
    for name, prefix, interval in (
        ("score", "score", score),
        ("rel_percent", "rel", rel),
        ("vs_random", "vs_random", difference),
    ):
        ends = (interval.estimate, interval.low, interval.high) if interval else (math.nan,) * 3
        row |= dict(zip((name, f"{prefix}_low", f"{prefix}_high"), map(_none_if_nan, ends), strict=True))
    paired = {"rel_n_seeds": rel, "vs_random_n_seeds": difference}
    return row | {name: interval.n_seeds if interval else None for name, interval in paired.items()}


def _paired(
    measure: Callable[..., Interval], scores: _Scores, *, other: _Scores | None, design: dict[str, Any]
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
