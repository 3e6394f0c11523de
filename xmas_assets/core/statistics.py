"""Confidence intervals for benchmark scores: crossed bootstrap over training seeds and test images."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from xmas_assets.core.arrays import FloatArray
from xmas_assets.core.resampling import Design, draw_weights, macro_mean, mean_value, stratum_scores

_CONFIDENCE = 0.95
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval and what it rests on.

    Attributes:
        estimate: The point estimate from all answers.
        low: Lower end; NaN where no interval can be given (one image, or a ratio to a score that may be 0).
        high: Upper end, likewise.
        n_seeds: Seeds used. With one, the interval holds for that one trained model only.
        coverage: Share of the (seed, question) pairs that have an answer, in [0, 1].
        standard_error: From the resamples; NaN like the ends.
        degrees_of_freedom: Of the t distribution behind the ends; NaN likewise.
    """

    estimate: float
    low: float
    high: float
    n_seeds: int
    coverage: float
    standard_error: float
    degrees_of_freedom: float

    def p_value(self, *, of: float = 0.0) -> float:
        """Two-sided p value of the true value being ``of``, by the same t distribution as the interval.

        Below 0.05 where the interval, before it is cut to what is possible, leaves ``of`` out. NaN without interval.
        """
        from scipy import stats

        if self.standard_error == 0:
            return float(self.estimate == of)
        return float(2 * stats.t.sf(abs(self.estimate - of) / self.standard_error, self.degrees_of_freedom))


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
        section 2: never too narrow, somewhat wide where seeds disagree at random), as in ``draw_weights``. The interval
        is estimate +- t x bootstrap standard error with Satterthwaite's degrees of freedom: percentiles of 3 seeds
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


def lowest(intervals: Iterable[Interval]) -> Interval | None:
    """The difference from the best of several, given the difference from each; None if there are none.

    Estimate and ends are each the lowest: ``low`` is above 0 only if every difference is beyond chance, ``high`` is
    below 0 as soon as one of them is.
    """
    several = list(intervals)
    if not several:
        return None
    ends = {name: float(min(getattr(each, name) for each in several)) for name in ("estimate", "low", "high")}
    if any(math.isnan(each.low) for each in several):
        ends |= {"low": math.nan, "high": math.nan}
    return replace(min(several, key=lambda each: each.estimate), **ends)


def can_be_compared(full_over_blind: Interval | None) -> bool:
    """Whether subsets of a dataset can be compared: not where full data itself is no better than a blind guess.

    Args:
        full_over_blind: Score of full data minus that of the best blind baseline, from ``lowest``; None if one of them
            was not scored, which speaks against nothing.

    Returns:
        Whether full data is above every blind baseline beyond chance; False where that cannot be estimated.
    """
    return full_over_blind is None or full_over_blind.low > 0


def holm(p_values: ArrayLike) -> FloatArray:
    """P values corrected for their number, so that with 95 % confidence none below 0.05 is there by chance.

    Args:
        p_values: Shape (n,); NaN is no test, and stays.

    Source:
        Holm (1979), Scand. J. Stat. 6: the i-th smallest of n times n - i + 1, made rising, at most 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")[: int(np.isfinite(p).sum())]  # NaN sorts last
    corrected = np.full_like(p, np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


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
    design = Design.of(strata, clusters, n_units=values.shape[2])
    n_seeds = values.shape[1]

    def strata_of(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        return stratum_scores(values[None], answered, design, weights=weights, stratum_score=mean_value)

    as_asked = strata_of(np.ones((1, design.n_clusters)))
    seed_weights = draw_weights(n_seeds, n_resamples, rng)
    crossed = []
    for rows, weights in design.image_weights(n_resamples, rng):
        crossed.append(contrast(macro_mean(*strata_of(weights), seed_weights[rows])))
    quantity = [contrast(macro_mean(*as_asked, weights)) for weights in (np.ones((1, n_seeds)), seed_weights)]
    return interval_of(
        np.concatenate([*quantity, *crossed]),
        n_seeds=n_seeds,
        n_clusters=design.n_clusters,
        bounds=bounds,
        coverage=float(answered[0].mean()),
    )


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


def interval_of(
    quantity: FloatArray,
    *,
    n_seeds: int,
    n_clusters: int,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    coverage: float = 1.0,
) -> Interval:
    """The interval of a resampled quantity.

    Args:
        quantity: Its estimate, what it came out as with seeds resampled, and with seeds and images; shape
            (1 + 2 n_resamples,), as from ``resampling.resampled_mean``.
        n_seeds: Seeds that were resampled.
        n_clusters: Images that were resampled; of several sets of images those of the smallest, so that the interval
            is never too narrow for it.
        bounds: What the quantity can be.
        coverage: Passed on.
    """
    estimate = float(quantity[0])
    by_seed, crossed = np.split(quantity[1:], 2)
    error, freedom = _standard_error(by_seed, crossed, n_seeds=n_seeds, n_clusters=n_clusters)
    half_width = _half_width(error, freedom)
    low, high = np.clip((estimate - half_width, estimate + half_width), *bounds)
    return Interval(estimate, float(low), float(high), n_seeds, coverage, error, freedom)


def _standard_error(by_seed: FloatArray, crossed: FloatArray, *, n_seeds: int, n_clusters: int) -> tuple[float, float]:
    """Standard error and degrees of freedom; NaN if they cannot be estimated."""
    if n_clusters < 2 or not (np.isfinite(crossed).all() and np.isfinite(by_seed).all()):
        return float("nan"), float("nan")
    variance = crossed.var()
    if np.sqrt(variance) <= _ROUNDING * max(1.0, np.abs(crossed).max()):
        return 0.0, float("inf")  # else the noise of rounding would be taken for few degrees of freedom
    seed_variance = by_seed.var()
    image_variance = max(variance - seed_variance, 0.0)
    uncertainty = seed_variance**2 / max(n_seeds - 1, 1) + image_variance**2 / (n_clusters - 1)
    return float(np.sqrt(variance)), float(variance**2 / uncertainty)


def _half_width(error: float, freedom: float) -> float:
    """Half of the 95 % interval: t quantile x standard error."""
    from scipy import stats

    return float(stats.t.ppf((1 + _CONFIDENCE) / 2, freedom) * error)
