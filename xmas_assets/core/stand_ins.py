"""Which of the rows that were kept stands for one that was not: the nearest of its group."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import IntArray, rows_with_values
from xmas_assets.core.clustering import nearest_centroid
from xmas_assets.core.coverage import split_cells


def stand_ins(
    vectors: Callable[[IntArray], NDArray[Any]],
    kept: NDArray[np.bool_],
    groups: IntArray,
    *,
    cell_rows: int = 4096,
) -> IntArray:
    """The nearest kept row of each other row's group (Euclidean distance); of equally near ones the first.

    Groups of more than ``cell_rows`` rows are halved until none is larger, and the nearest row is sought in the same
    part, so that the work grows with ``n_rows * cell_rows``.

    Args:
        vectors: Gives some rows as points, shape (n_asked, ...); rows of NaN have no place.
        kept: Shape (n_rows,).
        groups: Group of each row, shape (n_rows,), each >= 0.
        cell_rows: Rows of a part at most, >= 1.

    Returns:
        Rows, shape (n_rows,), int64; -1 for a kept row, and where none was kept nearby.

    Example:
        >>> points = np.array([[0.0], [1.0], [5.0], [6.0], [1.0]])
        >>> kept, groups = np.array([True, False, False, True, False]), np.array([0, 0, 0, 0, 1])
        >>> stand_ins(lambda rows: points[rows], kept, groups).tolist()
        [-1, 0, 3, -1, -1]
    """
    nearest = np.full(len(kept), -1, dtype=np.int64)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    for group in members:
        if not kept[group].any() or kept[group].all():
            continue
        values = vectors(group).reshape(len(group), -1)
        present = rows_with_values(values)
        rows, points = group[present], values[present]
        for cell in split_cells(points, cell_rows) if len(rows) else []:
            near, far = cell[kept[rows[cell]]], cell[~kept[rows[cell]]]
            if len(near) and len(far):
                origin = points[near[0]]
                targets = np.subtract(points[near], origin, dtype=np.float32, casting="same_kind")
                nearest[rows[far]] = rows[near[nearest_centroid(points[far], targets, origin=origin)]]
    return nearest
