"""Confidence intervals for benchmark scores: crossed bootstrap over training seeds and test images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xmas_assets.core.arrays import FloatArray, IntArray

_CONFIDENCE = 0.95
_CHUNK = 256  # resamples weighted at once: 256 x 10,000 questions are 20 MB


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval and what it rests on.

    Attributes:
        estimate: The point estimate from all answers.
        low: Lower end; NaN where no interval can be given (one image, or a ratio to a score that may be 0).
        high: Upper end, likewise.
        n_seeds: Seeds used. With one, the interval holds for that one trained model only.
        coverage: Share of the (seed, question) pairs that have an answer, in [0, 1].
    """

    estimate: float
    low: float
    high: float
    n_seeds: int
    coverage: float


@dataclass(frozen=True)
class _Design:
    """Where each question belongs: ``by_task`` holds question positions, ``clusters`` an image number per question."""

    by_task: list[IntArray]
    clusters: IntArray
    n_clusters: int


def score_interval(
    scores: ArrayLike, strata: ArrayLike, *, clusters: ArrayLike, n_resamples: int = 2000, rng: np.random.Generator
) -> Interval:
    """Macro-averaged score: mean over tasks of the mean over questions, averaged over seeds.

    Args:
        scores: Score of each question, shape (n_seeds, n_questions), in [0, 1]; NaN where there is no answer.
        strata: Task of each question, shape (n_questions,).
        clusters: Test image of each question, shape (n_questions,); questions on one image are resampled together.
        n_resamples: Bootstrap resamples.
        rng: Source of the resamples.

    Returns:
        The score in [0, 1]. Unanswered questions are left out of the means and lower ``coverage``.

    Raises:
        ValueError: If shapes disagree, there is nothing to score, or a score is outside [0, 1].

    Source:
        Seeds and images are resampled independently (crossed, "pigeonhole" bootstrap; Owen 2007, Ann. Appl. Stat. 1,
        section 2: never too narrow, somewhat wide where seeds disagree at random). Of n units n - 1 are drawn (Rao & Wu
        1988, JASA 83, section 2), without which the spread of 2 seeds would come out 29 % too small. The interval is
        estimate +- t x bootstrap standard error with Satterthwaite's degrees of freedom: percentiles of 3 seeds
        cannot leave the range of those 3.
    """
    return _interval((scores,), strata, clusters, _first, (0.0, 1.0), n_resamples, rng)


def paired_difference_interval(
    a: ArrayLike,
    b: ArrayLike,
    *,
    strata: ArrayLike,
    clusters: ArrayLike,
    n_resamples: int = 2000,
    rng: np.random.Generator,
) -> Interval:
    """Score of ``a`` minus score of ``b`` in [-1, 1]; row s of both is the same seed, column q the same question.

    Both sides see the same resamples, and only the questions that both have answered, so that what they share cancels.

    Args:
        a: Scores of one method, shape (n_seeds, n_questions), in [0, 1]; NaN where there is no answer.
        b: Scores of the other, same shape.
        strata: As in ``score_interval``.
        clusters: As in ``score_interval``.
        n_resamples: Bootstrap resamples.
        rng: Source of the resamples.

    Raises:
        ValueError: As ``score_interval``, or if the shapes of ``a`` and ``b`` differ.
    """
    return _interval((a, b), strata, clusters, _difference, (-1.0, 1.0), n_resamples, rng)


def ratio_interval(
    scores: ArrayLike,
    reference: ArrayLike,
    *,
    strata: ArrayLike,
    clusters: ArrayLike,
    n_resamples: int = 2000,
    rng: np.random.Generator,
) -> Interval:
    """Score as a percentage of the reference's score (Rel%), both from the same resamples and answered questions.

    Args:
        scores: Scores of the method, shape (n_seeds, n_questions), in [0, 1]; NaN where there is no answer.
        reference: Scores with full data, same shape, same seeds and questions.
        strata: As in ``score_interval``.
        clusters: As in ``score_interval``.
        n_resamples: Bootstrap resamples.
        rng: Source of the resamples.

    Returns:
        Percent, 100 = as good as the reference. NaN if the reference scores 0; NaN ends if it does in some resample.

    Raises:
        ValueError: As ``score_interval``, or if the shapes differ.
    """
    return _interval((scores, reference), strata, clusters, _percentage, (0.0, np.inf), n_resamples, rng)


def _first(scores: FloatArray) -> FloatArray:
    return scores[0]


def _difference(scores: FloatArray) -> FloatArray:
    return scores[0] - scores[1]


def _percentage(scores: FloatArray) -> FloatArray:
    return 100 * np.divide(scores[0], scores[1], out=np.full_like(scores[0], np.nan), where=scores[1] > 0)


def _interval(
    sides: tuple[ArrayLike, ...],
    strata: ArrayLike,
    clusters: ArrayLike,
    contrast: Callable[[FloatArray], FloatArray],
    bounds: tuple[float, float],
    n_resamples: int,
    rng: np.random.Generator,
) -> Interval:
    """Estimate ``contrast`` of the sides' macro scores and bound it."""
    values, answered = _stack(sides)
    design = _design(strata, clusters, n_questions=values.shape[2])
    n_seeds = values.shape[1]
    totals = _task_sums(values, answered, design, np.ones((1, design.n_clusters)))
    estimate = float(contrast(_macro_mean(*totals, np.ones((1, n_seeds))))[0])
    seed_weights = _draw_weights(n_seeds, n_resamples, rng)
    by_seed = contrast(_macro_mean(*totals, seed_weights))
    crossed = []
    for start in range(0, n_resamples, _CHUNK):
        chunk = seed_weights[start : start + _CHUNK]
        sums = _task_sums(values, answered, design, _draw_weights(design.n_clusters, len(chunk), rng))
        crossed.append(contrast(_macro_mean(*sums, chunk)))
    half_width = _half_width(np.concatenate(crossed), by_seed, n_seeds, design.n_clusters)
    low, high = np.clip((estimate - half_width, estimate + half_width), *bounds)
    return Interval(estimate, float(low), float(high), n_seeds, float(answered[0].mean()))


def _stack(sides: tuple[ArrayLike, ...]) -> tuple[FloatArray, FloatArray]:
    """Scores with 0 in the gaps, and 1 where every side has an answer; both (n_sides, n_seeds, n_questions)."""
    arrays = [np.asarray(side, dtype=np.float64) for side in sides]
    if any(array.shape != arrays[0].shape for array in arrays) or arrays[0].ndim != 2 or arrays[0].size == 0:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise ValueError(f"scores have shape {shapes}; give the same non-empty (n_seeds, n_questions) on every side")
    values = np.stack(arrays)
    if np.nanmin(values, initial=0.0) < 0 or np.nanmax(values, initial=1.0) > 1:
        raise ValueError(f"scores lie in {np.nanmin(values)}..{np.nanmax(values)}; give scores in 0..1, NaN for none")
    answered = np.broadcast_to(~np.isnan(values).any(axis=0), values.shape).astype(np.float64)
    return np.where(answered > 0, values, 0.0), answered


def _design(strata: ArrayLike, clusters: ArrayLike, *, n_questions: int) -> _Design:
    tasks, images = np.asarray(strata), np.asarray(clusters)
    if tasks.shape != (n_questions,) or images.shape != (n_questions,):
        raise ValueError(
            f"strata {tasks.shape} and clusters {images.shape} must have one entry for each of {n_questions} questions"
        )
    _, task_codes = np.unique(tasks, return_inverse=True)
    names, codes = np.unique(images, return_inverse=True)
    by_task = [np.flatnonzero(task_codes == code) for code in range(int(task_codes.max()) + 1)]
    return _Design(by_task, codes, len(names))


def _draw_weights(n_units: int, n_resamples: int, rng: np.random.Generator) -> FloatArray:
    """How often each unit is drawn, shape (n_resamples, n_units): n_units - 1 draws; a single unit always stays."""
    if n_units == 1:
        return np.ones((n_resamples, 1))
    draws = rng.integers(n_units, size=(n_resamples, n_units - 1), dtype=np.int32)
    flat = draws + n_units * np.arange(n_resamples)[:, None]
    return np.bincount(flat.ravel(), minlength=n_resamples * n_units).reshape(n_resamples, n_units).astype(np.float64)


def _task_sums(
    values: FloatArray, answered: FloatArray, design: _Design, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Weighted score sums and answer counts per task, each (n_sides, n_resamples, n_seeds, n_tasks)."""
    sums, counts = [], []
    for questions in design.by_task:
        question_weights = weights[:, design.clusters[questions]]
        sums.append(question_weights @ np.swapaxes(values[:, :, questions], 1, 2))
        counts.append(question_weights @ np.swapaxes(answered[:, :, questions], 1, 2))
    return np.stack(sums, axis=-1), np.stack(counts, axis=-1)


def _macro_mean(sums: FloatArray, counts: FloatArray, seed_weights: FloatArray) -> FloatArray:
    """Mean over seeds, then tasks, shape (n_sides, n_resamples); a task without answers does not take part."""
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    weights = seed_weights[None, :, :, None] * (counts > 0)
    totals = weights.sum(axis=2)
    task_scores = np.divide((weights * means).sum(axis=2), totals, out=np.zeros_like(totals), where=totals > 0)
    n_tasks = (totals > 0).sum(axis=2)
    return np.divide(task_scores.sum(axis=2), n_tasks, out=np.full(n_tasks.shape, np.nan), where=n_tasks > 0)


def _half_width(crossed: FloatArray, by_seed: FloatArray, n_seeds: int, n_clusters: int) -> float:
    """Half of the 95 % interval: t quantile x standard error, NaN if it cannot be estimated."""
    from scipy import stats

    if n_clusters < 2 or not (np.isfinite(crossed).all() and np.isfinite(by_seed).all()):
        return float("nan")
    variance = crossed.var()
    if variance == 0:
        return 0.0
    seed_variance = by_seed.var()
    image_variance = max(variance - seed_variance, 0.0)
    uncertainty = seed_variance**2 / max(n_seeds - 1, 1) + image_variance**2 / (n_clusters - 1)
    return float(stats.t.ppf((1 + _CONFIDENCE) / 2, variance**2 / uncertainty) * np.sqrt(variance))
