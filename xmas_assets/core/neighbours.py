"""Exact nearest neighbours, in blocks of bounded memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import IntArray

_DISTANCES = 2**24  # held at once: 64 MiB
_DIFFERENCES = 2**22  # held at once: 32 MiB
_ROUNDING = 8 * float(np.finfo(np.float32).eps)  # of a product of two rows, for each root of a feature


def nearest_neighbours(values: NDArray[Any], n_neighbours: int) -> tuple[IntArray, NDArray[np.float64]]:
    """The rows nearest to every row, itself left out (Euclidean distance).

    Candidates are found with matrix products in float32 around the mean, with a margin for their rounding, which is
    not the same on every processor. Their distances are then computed again from differences in float64, and only
    these decide; those of identical rows are exactly 0.

    Args:
        values: Rows, shape (n_samples, n_features), finite.
        n_neighbours: Neighbours wanted, >= 1; at most ``n_samples - 1`` come back.

    Returns:
        Rows and squared distances, each (n_samples, n_neighbours), ascending by distance; equal ones by row.

    Raises:
        ValueError: If ``values`` is not two-dimensional or ``n_neighbours`` is less than 1.

    Example:
        >>> rows, squares = nearest_neighbours(np.array([[0.0], [1.0], [3.0]]), 1)
        >>> rows.ravel().tolist(), squares.ravel().tolist()
        ([1, 0, 1], [1.0, 1.0, 4.0])
    """
    if values.ndim != 2 or n_neighbours < 1:
        raise ValueError(f"give 2-dimensional values and n_neighbours >= 1, got {values.shape} and {n_neighbours}")
    n_samples = len(values)
    n_kept = min(n_neighbours, n_samples - 1)
    neighbours = np.empty((n_samples, max(n_kept, 0)), dtype=np.int64)
    squares = np.empty(neighbours.shape)
    if n_kept < 1:
        return neighbours, squares
    points = np.subtract(values, values.mean(axis=0, dtype=np.float64), dtype=np.float32, casting="same_kind")
    half_norms = np.einsum("ij,ij->i", points, points) / 2
    margin = _ROUNDING * np.sqrt(points.shape[1]) * half_norms.max()
    step = max(1, _DISTANCES // n_samples)
    for start in range(0, n_samples, step):
        rows = np.arange(start, min(start + step, n_samples))
        far = half_norms - points[rows] @ points.T  # half the squared distance, up to a constant of each row
        far[rows - start, rows] = np.inf
        farthest = np.partition(far, n_kept - 1, axis=1)[:, n_kept - 1]
        places, candidates = np.nonzero(far <= (farthest + margin)[:, None])
        exact = _squared_distances(values, rows[places], candidates)
        order = np.lexsort((candidates, exact, places))
        first = np.searchsorted(places, np.arange(len(rows)))
        kept = order[first[:, None] + np.arange(n_kept)]
        neighbours[rows], squares[rows] = candidates[kept], exact[kept]
    return neighbours, squares


def _squared_distances(values: NDArray[Any], rows: IntArray, others: IntArray) -> NDArray[np.float64]:
    """Squared distance of each row from its other, shape (n_pairs,)."""
    squares = np.empty(len(rows))
    step = max(1, _DIFFERENCES // values.shape[1])
    for start in range(0, len(rows), step):
        pairs = slice(start, start + step)
        differences = np.subtract(values[rows[pairs]], values[others[pairs]], dtype=np.float64)
        squares[pairs] = np.square(differences, out=differences).sum(axis=1)
    return squares
