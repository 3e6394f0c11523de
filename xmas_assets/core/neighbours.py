"""Exact nearest neighbours, in blocks of bounded memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
_DISTANCES = 2**24  # held at once: 64 MiB


def nearest_neighbours(values: NDArray[Any], n_neighbours: int) -> tuple[IntArray, NDArray[np.float64]]:
    """The rows nearest to every row, itself left out (Euclidean distance).

    Candidates are found with matrix products in float32 around the mean; their distances are then computed again from
    differences in float64, so those of identical rows are exactly 0.

    Args:
        values: Rows, shape (n_samples, n_features), finite.
        n_neighbours: Neighbours wanted, >= 1; at most ``n_samples - 1`` come back.

    Returns:
        Rows and squared distances, each (n_samples, n_neighbours), ascending by distance; equal ones by row. Which of
        several rows at the same distance come last inside is fixed by the order of the rows, but not by their index.

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
    step = max(1, _DISTANCES // n_samples)
    for start in range(0, n_samples, step):
        rows = np.arange(start, min(start + step, n_samples))
        far = half_norms - points[rows] @ points.T  # half the squared distance, up to a constant of each row
        far[rows - start, rows] = np.inf
        near = np.sort(np.argpartition(far, n_kept - 1, axis=1)[:, :n_kept], axis=1)
        squares[rows] = _squared_distances(values, rows, near)
        order = np.argsort(squares[rows], axis=1, kind="stable")
        neighbours[rows] = np.take_along_axis(near, order, axis=1)
        squares[rows] = np.take_along_axis(squares[rows], order, axis=1)
    return neighbours, squares


def _squared_distances(values: NDArray[Any], rows: IntArray, others: IntArray) -> NDArray[np.float64]:
    """Squared distance from each row to each of its others, shape of ``others``; a column at a time."""
    own = values[rows].astype(np.float64)
    return np.stack([np.square(own - values[column]).sum(axis=1) for column in others.T], axis=1)
