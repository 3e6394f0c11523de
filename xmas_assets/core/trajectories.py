"""Arithmetic on attention trajectories: their sums, how unstable they are, and ranks by stability."""

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray, IntArray


def leading_sums(values: FloatArray, n_values: int | None = None) -> NDArray[np.float32]:
    """The scalar trajectory: the sum of the largest singular values at every checkpoint.

    Args:
        values: Singular values in any order, shape (n_samples, n_checkpoints, n_stored).
        n_values: How many of the largest are added up (k in the paper), in 1..n_stored; default all.

    Returns:
        Sums, shape (n_samples, n_checkpoints), added in float64 from the largest down, then rounded to
        float32. A NaN counts as smaller than every number.

    Raises:
        ValueError: If ``values`` is not three-dimensional or ``n_values`` is out of range.

    Source:
        XMAS (arXiv 2510.01454), v_i(t) with k = 5.

    Example:
        >>> leading_sums(np.array([[[1.0, 4.0, 2.0], [3.0, 0.5, 1.0]]]), 2).tolist()
        [[6.0, 4.0]]
    """
    if values.ndim != 3:
        raise ValueError(f"values must have shape (n_samples, n_checkpoints, n_stored), got {values.shape}")
    n_stored = values.shape[2]
    n_added = n_stored if n_values is None else n_values
    if not 1 <= n_added <= n_stored:
        raise ValueError(f"n_values must be in 1..{n_stored}, got {n_added}")
    is_descending = (values[:, :, :-1] >= values[:, :, 1:]).all()  # as they are stored; never true of a NaN
    descending = values if is_descending else -np.sort(-values, axis=2)
    total = np.zeros(values.shape[:2], dtype=np.float64)
    for position in range(n_added):
        total += descending[:, :, position]
    return total.astype(np.float32)


def instability(values: FloatArray) -> FloatArray:
    """How much each trajectory moves from checkpoint to checkpoint: ``sum over t of |v(t+1) - v(t)|``.

    Args:
        values: Trajectories, shape (n_samples, n_checkpoints), at least two checkpoints.

    Returns:
        Shape (n_samples,), in the type of ``values``; NaN where a trajectory holds a NaN.

    Raises:
        ValueError: If there are fewer than two checkpoints.

    Source:
        XMAS (arXiv 2510.01454), instability score.

    Example:
        >>> instability(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])).tolist()
        [3.0, 0.0]
    """
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"values must have shape (n_samples, n_checkpoints >= 2), got {values.shape}")
    return np.abs(np.diff(values, axis=1)).sum(axis=1)


def stability_ranks(labels: IntArray, instability: FloatArray) -> IntArray:
    """Rank of each sample inside its cluster, 0 for the most stable one.

    Args:
        labels: Cluster of each sample, shape (n_samples,).
        instability: Shape (n_samples,), finite.

    Returns:
        Ranks, shape (n_samples,), int64; equal instabilities keep the order of the rows.

    Example:
        >>> stability_ranks(np.array([0, 1, 0, 0]), np.array([2.0, 9.0, 1.0, 2.0])).tolist()
        [1, 0, 0, 2]
    """
    order = np.lexsort((instability, labels))
    ordered = labels[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    places = np.arange(len(labels))
    places -= np.repeat(starts, np.diff(starts, append=len(labels)))
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[order] = places
    return ranks
