"""Scores over budgets as curves: the smallest budget that reaches a score, and what that saves."""

import numpy as np
from numpy.typing import ArrayLike

from xmas_assets.core.arrays import FloatArray

NOT_REACHED = float("inf")


def isotonic(curves: ArrayLike) -> FloatArray:
    """The rising curves nearest to these, by least squares.

    Args:
        curves: Values by budget, shape (n_budgets, ...).

    Source:
        The max-min formula of isotonic regression (Robertson, Wright & Dykstra 1988, theorem 1.4.4).

    Example:
        >>> isotonic([1.0, 3.0, 2.0]).tolist()
        [1.0, 2.5, 2.5]
    """
    values = np.asarray(curves, dtype=np.float64)
    n = len(values)
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), values.cumsum(axis=0)])
    rising = []
    for at in range(n):
        lowest = [
            np.min([(sums[end] - sums[start]) / (end - start) for end in range(at + 1, n + 1)], axis=0)
            for start in range(at + 1)
        ]
        rising.append(np.max(lowest, axis=0))
    return np.stack(rising)


def budgets_to_reach(budgets: ArrayLike, curves: ArrayLike, level: float) -> FloatArray:
    """The smallest budget at which each curve, made monotone, reaches a level; linear between the budgets.

    Args:
        budgets: Rising, shape (n_budgets,), two or more.
        curves: Values by budget, shape (n_budgets, ...).
        level: What is to be reached.

    Returns:
        Shape (...). The smallest budget itself where the curve is there from the start, so that the true value is at
        most that; ``NOT_REACHED`` where the curve stays below. Nothing is extrapolated. NaN in a curve gives NaN.

    Raises:
        ValueError: If there are fewer than two budgets, or they do not rise.
    """
    sizes, values = np.asarray(budgets, dtype=np.float64), np.asarray(curves, dtype=np.float64)
    if len(sizes) < 2 or not (np.diff(sizes) > 0).all():
        raise ValueError(f"budgets are {sizes.tolist()}; give two or more, rising")
    rising = isotonic(values)
    found = np.full(rising.shape[1:], NOT_REACHED)
    for at in range(len(sizes) - 1, 0, -1):
        below, above = rising[at - 1], rising[at]
        step = np.where(above > below, above - below, 1.0)
        between = sizes[at - 1] + (level - below) / step * (sizes[at] - sizes[at - 1])
        found = np.where((below < level) & (level <= above), between, found)
    found = np.where(rising[0] >= level, sizes[0], found)
    return np.where(np.isnan(values).any(axis=0), np.nan, found)


def share_saved(budgets: FloatArray, others: FloatArray, *, largest: float) -> FloatArray:
    """Share of the data that is saved against another method at an equal score: 1 - budget / other's budget.

    Args:
        budgets: From ``budgets_to_reach``.
        others: The other method's, same shape and level.
        largest: The other's largest budget. Where it does not reach the level, it needs more than that, so the share is
            at least the one against it.

    Returns:
        Minus infinity where the method itself does not reach the level.
    """
    return 1 - budgets / np.minimum(others, largest)


def middle_of(values: FloatArray, *, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled values, which may be infinite; each end is one of the values."""
    ends = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
    return float(ends[0]), float(ends[1])
