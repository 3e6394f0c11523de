"""Resampling of scores over training seeds and test images: what the confidence intervals are made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xmas_assets.core.arrays import FloatArray, IntArray

StratumScore = Callable[[FloatArray], FloatArray]
"""Score of a stratum, shape (...), from the means of its units' values, shape (..., n_values)."""

_CHUNK_WEIGHTS = 256 * 10_000  # weights of units held at once: 20 MB
_CHUNK = 256


def mean_value(means: FloatArray) -> FloatArray:
    """The score of a stratum whose units have one value each: its mean."""
    return means[..., 0]


@dataclass(frozen=True)
class Design:
    """Where each unit belongs: ``by_stratum`` holds units' positions, ``clusters`` an image number per unit."""

    by_stratum: list[IntArray]
    clusters: IntArray
    n_clusters: int

    @classmethod
    def of(cls, strata: ArrayLike, clusters: ArrayLike, *, n_units: int) -> "Design":
        """The design of units with these strata and clusters, each named in any way.

        Raises:
            ValueError: If there is not one entry per unit.
        """
        tasks, images = np.asarray(strata), np.asarray(clusters)
        if tasks.shape != (n_units,) or images.shape != (n_units,):
            raise ValueError(
                f"strata {tasks.shape} and clusters {images.shape} must have one entry for each of {n_units} questions"
            )
        _, task_codes = np.unique(tasks, return_inverse=True)
        names, codes = np.unique(images, return_inverse=True)
        by_stratum = [np.flatnonzero(task_codes == code) for code in range(int(task_codes.max()) + 1)]
        return cls(by_stratum, codes, len(names))

    def image_weights(self, n_resamples: int, rng: np.random.Generator) -> Iterator[tuple[slice, FloatArray]]:
        """How often each image is drawn: resamples chunk by chunk, and their weights (len(chunk), n_clusters)."""
        step = max(1, min(_CHUNK, _CHUNK_WEIGHTS // len(self.clusters)))
        for start in range(0, n_resamples, step):
            chunk = slice(start, min(start + step, n_resamples))
            yield chunk, draw_weights(self.n_clusters, chunk.stop - chunk.start, rng)


def draw_weights(n_units: int, n_resamples: int, rng: np.random.Generator) -> FloatArray:
    """How often each unit is drawn, shape (n_resamples, n_units): n_units - 1 draws; a single unit always stays.

    Source:
        Of n units n - 1 are drawn (Rao & Wu 1988, JASA 83, section 2), without which the spread of 2 seeds would come
        out 29 % too small.
    """
    if n_units == 1:
        return np.ones((n_resamples, 1))
    draws = rng.integers(n_units, size=(n_resamples, n_units - 1), dtype=np.int32)
    flat = draws + n_units * np.arange(n_resamples)[:, None]
    return np.bincount(flat.ravel(), minlength=n_resamples * n_units).reshape(n_resamples, n_units).astype(np.float64)


def stratum_scores(
    values: FloatArray, answered: FloatArray, design: Design, *, weights: FloatArray, stratum_score: StratumScore
) -> tuple[FloatArray, FloatArray]:
    """Score of each stratum, and how many answers (weighted) it rests on.

    Args:
        values: Shape (n_values, n_sides, n_seeds, n_units), 0 where there is no answer.
        answered: 1 where there is an answer, else 0; shape (n_sides, n_seeds, n_units).
        design: Where each unit belongs.
        weights: How often each image counts, shape (n_resamples, n_clusters).
        stratum_score: From means to score.

    Returns:
        Both (n_sides, n_resamples, n_seeds, n_strata); the score is 0 where nothing is answered.
    """
    scores, counts = [], []
    for units in design.by_stratum:
        unit_weights = weights[:, design.clusters[units]]
        count = unit_weights @ np.swapaxes(answered[:, :, units], 1, 2)
        sums = [unit_weights @ np.swapaxes(value[:, :, units], 1, 2) for value in values]
        means = [np.divide(total, count, out=np.zeros_like(total), where=count > 0) for total in sums]
        scores.append(np.where(count > 0, stratum_score(np.stack(means, axis=-1)), 0.0))
        counts.append(count)
    return np.stack(scores, axis=-1), np.stack(counts, axis=-1)


def macro_mean(scores: FloatArray, counts: FloatArray, seed_weights: FloatArray) -> FloatArray:
    """Mean over seeds, then strata, shape (n_sides, n_resamples); a stratum without answers does not take part.

    Args:
        scores: From ``stratum_scores``.
        counts: From ``stratum_scores``.
        seed_weights: How often each seed counts, shape (n_resamples, n_seeds).
    """
    weights = seed_weights[None, :, :, None] * (counts > 0)
    totals = weights.sum(axis=2)
    of_strata = np.divide((weights * scores).sum(axis=2), totals, out=np.zeros_like(totals), where=totals > 0)
    n_strata = (totals > 0).sum(axis=2)
    return np.divide(of_strata.sum(axis=2), n_strata, out=np.full(n_strata.shape, np.nan), where=n_strata > 0)


def headline_resamples(
    values: ArrayLike,
    strata: ArrayLike,
    *,
    clusters: ArrayLike,
    stratum_score: StratumScore = mean_value,
    maximum: float = 1.0,
    n_resamples: int = 2000,
    rng: np.random.Generator,
) -> FloatArray:
    """Headline of each model on a benchmark, as it is and on resampled images, the same images for all models.

    Args:
        values: Shape (n_models, n_units, n_values), without gaps.
        strata: Stratum of each unit, shape (n_units,).
        clusters: Image of each unit, shape (n_units,).
        stratum_score: Score of a stratum from the means of its units' values.
        maximum: Headline of a model that is always right.
        n_resamples: Bootstrap resamples.
        rng: Source of the resamples; with equal ones they do not depend on which models there are.

    Returns:
        ``maximum`` x mean over strata of their score, shape (n_models, 1 + n_resamples); column 0 is of all units as
        they are. A stratum of which a resample has no image takes no part in it.

    Raises:
        ValueError: If shapes disagree, there is nothing to score, or a value is missing.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 3 or array.size == 0 or np.isnan(array).any():
        raise ValueError(f"values have shape {array.shape}; give (n_models, n_units, n_values) without NaN")
    design = Design.of(strata, clusters, n_units=array.shape[1])
    sides = np.moveaxis(array, -1, 0)[:, None]  # all models see the same resamples, as seeds of one side do
    answered = np.ones((1, 1, array.shape[1]))
    headlines = np.empty((len(array), 1 + n_resamples))

    def reached(weights: FloatArray) -> FloatArray:
        scores, counts = stratum_scores(sides, answered, design, weights=weights, stratum_score=stratum_score)
        return maximum * (scores.sum(axis=-1) / (counts > 0).sum(axis=-1))[0].T

    headlines[:, :1] = reached(np.ones((1, design.n_clusters)))
    for rows, weights in design.image_weights(n_resamples, rng):
        headlines[:, 1 + rows.start : 1 + rows.stop] = reached(weights)
    return headlines


def resampled_mean(models: FloatArray, seed_weights: FloatArray) -> FloatArray:
    """Mean over seeds of what each seed's model reaches, as it is and resampled.

    Args:
        models: From ``headline_resamples``, the models of one method and budget by seed, (n_seeds, 1 + n_resamples).
        seed_weights: How often each seed is drawn, from ``draw_weights``: (n_resamples, n_seeds). What is paired is
            given the same weights.

    Returns:
        The resampled quantity, shape (1 + 2 n_resamples,): its estimate, then with seeds resampled alone, then with
        seeds and images. Any function of such quantities, entry by entry, is one: ``statistics.interval_of`` bounds it.
    """
    drawn = seed_weights.sum(axis=1)
    as_asked, on_images = models[:, 0], models[:, 1:]
    by_seed, crossed = seed_weights @ as_asked / drawn, (seed_weights.T * on_images).sum(axis=0) / drawn
    return np.concatenate([[as_asked.mean()], by_seed, crossed])
