"""Farthest-first order: every next row is the one farthest from all before it, so every first few cover the rest."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.clustering import nearest_centroid
from xmas_assets.core.similarity import first_of_equal

_CANDIDATES = 512  # farthest rows among which the next ones are looked for
_DISTANCES = 2**21  # held at once: 8 MiB
_DIRECTION_ROWS = 1024  # rows that decide along which direction a cell is halved
_POWER_STEPS = 20


def coverage_order(values: NDArray[Any], *, cell_rows: int) -> IntArray:
    """Rows in farthest-first order: exact up to ``cell_rows`` rows, beyond that inside cells of at most so many.

    Cells are halves of halves (``split_cells``). Each is ordered exactly; then the cells' first rows come in
    farthest-first order among themselves, and all others by falling distance to the rows before them in their cell.
    Rows that equal an earlier one come last, in their order.
    So the cells are covered to the same radius at every length, at a cost of ``n_samples * cell_rows * n_features``
    instead of ``n_samples^2 * n_features``. One thread: sums of several come in a varying order.

    Args:
        values: Rows, shape (n_samples, n_features), finite, at least one.
        cell_rows: Rows of a cell at most, >= 2.

    Returns:
        Shape (n_samples,), int64: every row once.

    Raises:
        ValueError: If ``values`` is not two-dimensional or holds no row, or ``cell_rows`` is less than 2.
    """
    if values.ndim != 2 or len(values) == 0 or cell_rows < 2:
        raise ValueError(f"values need a row and two axes, cell_rows >= 2; got {values.shape} and {cell_rows}")
    distinct = first_of_equal(values)
    points = values if len(distinct) == len(values) else values[distinct]
    with threadpool_limits(limits=1):
        first_rows, other_rows, distances = [], [], []
        for cell in split_cells(points, cell_rows):
            order, reached = farthest_first(points[cell])
            first_rows.append(cell[order[0]])
            other_rows.append(cell[order[1:]])
            distances.append(reached[1:])
        leaders, _ = farthest_first(points[first_rows])
    others = np.concatenate(other_rows)[np.argsort(-np.concatenate(distances), kind="stable")]
    ordered = distinct[np.concatenate([np.array(first_rows)[leaders], others])]
    return np.concatenate([ordered, np.setdiff1d(np.arange(len(values)), distinct)])


def neighbourhoods(values: NDArray[Any], radius: float, *, cell_rows: int) -> IntArray:
    """Label rows so that those with one label lie within ``radius`` of one row, and these rows lie farther apart.

    The middle rows are the beginning of the farthest-first order; each other row goes to the nearest of them. Beyond
    ``cell_rows`` rows that holds inside cells (``split_cells``): a neighbourhood across a border is cut in two.

    Args:
        values: Rows, shape (n_samples, n_features), finite, at least one.
        radius: Euclidean distance; 0 keeps only equal rows together.
        cell_rows: Rows of a cell at most, >= 2.

    Returns:
        Labels from 0, shape (n_samples,), int64.

    Source:
        An r-net (Gonzalez 1985, Theor. Comput. Sci. 38; Har-Peled and Raichel 2015).

    Example:
        >>> neighbourhoods(np.array([[0.0], [0.1], [4.0], [4.2], [9.0]]), 1.0, cell_rows=10).tolist()
        [2, 2, 0, 0, 1]
    """
    labels = np.empty(len(values), dtype=np.int64)
    n_labels = 0
    with threadpool_limits(limits=1):
        for cell in split_cells(values, cell_rows):
            rows = values[cell]
            order, reached = farthest_first(rows)
            middles = rows[order[reached > radius]]
            seen = np.subtract(middles, middles[0], dtype=np.float32, casting="same_kind")
            labels[cell] = n_labels + nearest_centroid(rows, seen, origin=middles[0])
            n_labels += len(middles)
    return labels


def farthest_first(values: NDArray[Any], count: int | None = None) -> tuple[IntArray, NDArray[np.float32]]:
    """The farthest-first traversal, from the row nearest to the mean (Euclidean distance).

    Exact, yet in matrix products: among the ``_CANDIDATES`` farthest rows the traversal goes on, step by step, for as
    long as the next row lies there for certain, that is, as long as its distance exceeds what any other row had
    before these steps. Only then all rows' distances are brought up to date, for all the steps at once.

    Args:
        values: Rows, shape (n_samples, n_features), finite, at least one.
        count: Rows wanted, in 1..n_samples; default all.

    Returns:
        Rows, shape (count,), int64, equal distances by row; and the distance of each to those before it (infinite
        for the first), float32. The last of them bounds how far any row left out is from the rows chosen.

    Source:
        Gonzalez 1985, Theor. Comput. Sci. 38: its covering radius is at most twice the smallest possible.

    Example:
        >>> farthest_first(np.array([[0.0], [1.0], [4.0], [9.0]]))[0].tolist()
        [2, 3, 0, 1]
    """
    n_wanted = len(values) if count is None else count
    first = _central_row(values)
    # A column of ones next to the rows adds the norm of the row that is measured against.
    points = np.ones((len(values), values.shape[1] + 1), dtype=np.float32)
    # Around a row, not around the mean: distances between whole numbers, and so ties, stay exact.
    np.subtract(values, values[first], out=points[:, :-1], dtype=np.float32, casting="same_kind")
    norms = np.einsum("ij,ij->i", points[:, :-1], points[:, :-1])
    nearest = np.full(len(points), np.inf, dtype=np.float32)  # squared distance to the rows chosen; -1 if chosen
    order, reached = [first], [np.float32(np.inf)]
    n_known = 0
    while True:
        _bring_up_to_date(nearest, points, norms, np.array(order[n_known:]))
        n_known = len(order)
        if n_known == n_wanted:
            return np.array(order, dtype=np.int64), np.sqrt(np.array(reached, dtype=np.float32))
        for row, square in _certain_steps(nearest, points, norms, n_wanted - n_known):
            order.append(row)
            reached.append(square)


def _central_row(values: NDArray[Any]) -> int:
    """The row nearest to the mean."""
    mean = values.mean(axis=0, dtype=np.float64)
    step = max(1, _DISTANCES // values.shape[1])
    blocks = (values[start : start + step] - mean for start in range(0, len(values), step))
    return int(np.concatenate([np.einsum("ij,ij->i", block, block) for block in blocks]).argmin())


def _targets(points: FloatArray, norms: FloatArray, rows: IntArray) -> FloatArray:
    """What ``points`` are multiplied with to give squared distances to ``rows``, short of the points' own norms."""
    targets = -2 * points[rows]
    targets[:, -1] = norms[rows]
    return targets.T


def _bring_up_to_date(nearest: FloatArray, points: FloatArray, norms: FloatArray, chosen: IntArray) -> None:
    """Lower ``nearest`` by the rows newly chosen."""
    targets = _targets(points, norms, chosen)
    step = max(1, _DISTANCES // len(chosen))
    for start in range(0, len(points), step):
        block = slice(start, start + step)
        squares = (points[block] @ targets).min(axis=1) + norms[block]
        known = nearest[block]
        np.minimum(known, np.maximum(squares, 0), out=known)
    nearest[chosen] = -1


def _certain_steps(
    nearest: FloatArray, points: FloatArray, norms: FloatArray, n_wanted: int
) -> list[tuple[int, np.float32]]:
    """The next steps of the traversal, at least one, and each row's squared distance to those before it."""
    candidates = _largest(nearest, _CANDIDATES)
    others = nearest.copy()
    others[candidates] = -np.inf
    rival = int(others.argmax())
    local_points, local_norms, local = points[candidates], norms[candidates], nearest[candidates]
    steps: list[tuple[int, np.float32]] = []
    while len(steps) < min(n_wanted, len(candidates)):
        best = int(local.argmax())
        row, square = int(candidates[best]), local[best]
        if steps and (square, -row) < (others[rival], -rival):
            break
        steps.append((row, square))
        squares = local_points @ _targets(local_points, local_norms, np.array([best]))[:, 0] + local_norms
        np.minimum(local, np.maximum(squares, 0), out=local)
        local[best] = -np.inf
    return steps


def _largest(values: FloatArray, count: int) -> IntArray:
    """Positions of the largest values, ascending; of equal values the first."""
    if len(values) <= count:
        return np.arange(len(values))
    threshold = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > threshold)
    return np.sort(np.concatenate([above, np.flatnonzero(values == threshold)[: count - len(above)]]))


def split_cells(values: NDArray[Any], cell_rows: int) -> list[IntArray]:
    """Halve the rows, across the direction in which they spread most, until no cell has more than ``cell_rows``.

    Args:
        values: Rows, shape (n_samples, n_features).
        cell_rows: Rows of a cell at most, >= 1.

    Returns:
        The rows of each cell, ascending; cells differ by at most one row.
    """
    cells = [np.arange(len(values))]
    while max(map(len, cells)) > cell_rows:
        cells = [half for cell in cells for half in _halves(values, cell)]
    return cells


def _halves(values: NDArray[Any], cell: IntArray) -> tuple[IntArray, IntArray]:
    sample = values[cell[:: max(1, len(cell) // _DIRECTION_ROWS)]].astype(np.float64)
    sample -= sample.mean(axis=0)
    direction = sample[np.einsum("ij,ij->i", sample, sample).argmax()]
    for _ in range(_POWER_STEPS):
        direction = sample.T @ (sample @ direction)
        direction /= np.linalg.norm(direction) or 1
    step = max(1, _DISTANCES // values.shape[1])
    places = np.concatenate([values[cell[start : start + step]] @ direction for start in range(0, len(cell), step)])
    order = np.argsort(places, kind="stable")
    half = len(cell) // 2
    return np.sort(cell[order[:half]]), np.sort(cell[order[half:]])
