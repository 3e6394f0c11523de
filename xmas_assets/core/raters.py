"""How far several raters of the same things agree."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray


def agreement(ratings: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha of numbers: 1 if all agree, 0 if they agree as by chance, below 0 if less.

    Args:
        ratings: One row per rater, one column per thing; NaN where a rater gave none.

    Returns:
        None where nothing was rated twice, or all ratings are the same.

    Source:
        Krippendorff, Computing Krippendorff's alpha-reliability (2011), with the difference of intervals.
    """
    values = np.asarray(ratings, dtype=np.float64)
    values = values[:, np.isfinite(values).sum(axis=0) > 1]
    n_ratings = np.isfinite(values).sum(axis=0)
    within = _squared_differences(values, n_ratings) / (n_ratings - 1)
    flat = values[np.isfinite(values)][:, None]
    among = _squared_differences(flat, np.array([len(flat)]))
    if not among.sum() > 0:
        return None
    return 1.0 - float(within.sum() * (len(flat) - 1) / among.sum())


def _squared_differences(values: FloatArray, counts: NDArray[np.integer]) -> FloatArray:
    """Sum of the squared differences of all pairs in a column, NaN left out, each pair counted both ways."""
    return 2 * (counts * np.nansum(values**2, axis=0) - np.nansum(values, axis=0) ** 2)
