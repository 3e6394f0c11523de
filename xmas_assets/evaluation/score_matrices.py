"""Answers as matrices: the score of every question by every trained model, ready to be compared."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from xmas_assets.contracts.errors import StoreError
from xmas_assets.core.arrays import FloatArray

_ANSWER = ["method", "budget", "seed", "question_id", "image_hash", "task", "score"]


@dataclass(frozen=True)
class Scores:
    """Scores of one method at one budget, or of a baseline, which has one row and no seeds.

    ``values`` has shape (n_seeds, n_questions), NaN where there is no answer.
    """

    seeds: tuple[int, ...]
    values: FloatArray

    def common_seeds(self, other: "Scores") -> tuple[int, ...]:
        """Seeds that both have; a baseline is the same for any seed."""
        if not (self.seeds and other.seeds):
            return self.seeds or other.seeds
        return tuple(seed for seed in other.seeds if seed in self.seeds)

    def at(self, seeds: tuple[int, ...]) -> FloatArray:
        """The rows of these seeds."""
        return self.values[[self.seeds.index(seed) if self.seeds else 0 for seed in seeds]]


def with_baselines(answers: pl.DataFrame | pl.LazyFrame, baselines: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Answers of selections and baselines in one frame; a baseline has neither budget nor seed."""
    frames = [answers.lazy().select(_ANSWER)]
    frames += [frame.lazy().select(_ANSWER[3:]).with_columns(method=pl.lit(name)) for name, frame in baselines.items()]
    frame = pl.concat(frames, how="diagonal_relaxed").with_columns(pl.col("task").fill_null("(none)")).collect()
    key = _ANSWER[:4]
    twice = frame.filter(pl.struct(key).is_duplicated())
    if not twice.is_empty():
        seen = ", ".join(f"{name} {twice[name][0]}" for name in key)
        raise StoreError(f"a question has two answers in one selection ({seen}); score this selection again")
    return frame


def known_questions(frame: pl.DataFrame) -> pl.DataFrame:
    """Every question once, by id: ``question_id``, ``task``, ``image`` (the question itself if it has none), ``at``."""
    known = frame.select("question_id", "image_hash", "task").unique().sort("question_id", maintain_order=True)
    twice = known.filter(pl.col("question_id").is_duplicated())
    if not twice.is_empty():
        raise StoreError(
            f"question id {twice['question_id'][0]} belongs to two tasks or images; make the benchmark's ids unique"
        )
    image = pl.coalesce("image_hash", "question " + pl.col("question_id").cast(pl.String))
    return known.select("question_id", "task", image.alias("image")).with_row_index("at")


def score_matrices(frame: pl.DataFrame, questions: pl.DataFrame) -> dict[tuple[str, str | None], Scores]:
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
        selections[method, budget] = Scores(tuple(seeds.drop_nulls()), values)
    return selections
