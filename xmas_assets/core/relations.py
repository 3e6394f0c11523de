"""How a row relates to the rows of its cluster, and its cluster to the other clusters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.similarity import unit_rows

_TILE = 2048  # rows and columns of a block of distances: 32 MiB


def group_means(values: NDArray[Any], groups: IntArray) -> NDArray[np.float64]:
    """Mean of each group's rows, shape (n_groups, width), float64; a block of rows is converted at a time.

    Args:
        values: Shape (n_rows, width).
        groups: Shape (n_rows,), in 0..n_groups-1 with none empty.

    Example:
        >>> group_means(np.array([[1.0], [5.0], [3.0]]), np.array([0, 1, 0])).tolist()
        [[2.0], [5.0]]
    """
    from scipy.sparse import csr_matrix

    sizes = np.bincount(groups)
    sums = np.zeros((len(sizes), values.shape[1]))
    for start in range(0, len(values), _TILE):
        block = values[start : start + _TILE].astype(np.float64)
        ones = np.ones(len(block))
        cells = (groups[start : start + _TILE], np.arange(len(block)))
        sums += csr_matrix((ones, cells), shape=(len(sizes), len(block))) @ block
    return sums / sizes[:, None]


def uniqueness(features: NDArray[Any], clusters: IntArray, weights: FloatArray) -> NDArray[np.float64]:
    """Weighted distance of each row to the rows of its cluster, relative to the cluster's mean row of distances.

    ``sum_p d(i, p) w(p) / (sum_pq d(p, q) / n)`` with Euclidean distances, p and q over the n rows of i's cluster.
    Where all distances and weights of a cluster are equal, it is that weight.

    Args:
        features: Shape (n_rows, width).
        clusters: Shape (n_rows,), in 0..n_clusters-1.
        weights: Informativeness of each row, shape (n_rows,), >= 0.

    Returns:
        Shape (n_rows,), float64, >= 0; NaN in clusters without any distance (one row, or equal rows).

    Source:
        DataTailor (arXiv 2412.06293), published code ``relationship_value_calculation.py``.

    Example:
        >>> uniqueness(np.array([[0.0], [2.0], [7.0]]), np.array([0, 0, 1]), np.array([1.0, 3.0, 1.0])).tolist()
        [3.0, 1.0, nan]
    """
    order = np.argsort(clusters, kind="stable")
    values = np.empty(len(clusters))
    for rows in np.split(order, np.cumsum(np.bincount(clusters))[:-1]):
        if len(rows):
            values[rows] = _uniqueness_inside(features[rows], weights[rows].astype(np.float64))
    return values


def _uniqueness_inside(members: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    weighted, total = np.zeros(len(members)), 0.0
    origin = members[0].astype(np.float64)  # differences from a member: equal rows are then exactly 0 apart
    for start in range(0, len(members), _TILE):
        left = members[start : start + _TILE] - origin
        for other in range(0, len(members), _TILE):
            distances = _distances(left, members[other : other + _TILE] - origin)
            if other == start:
                np.fill_diagonal(distances, 0)
            weighted[start : start + _TILE] += distances @ weights[other : other + _TILE]
            total += float(distances.sum())
    if total == 0:
        return np.full(len(members), np.nan)
    return weighted / (total / len(members))


def _distances(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    products = left @ right.T
    products *= -2
    products += np.einsum("ij,ij->i", left, left)[:, None]
    products += np.einsum("ij,ij->i", right, right)
    np.maximum(products, 0, out=products)
    return np.sqrt(products, out=products)


def centroid_affinity(centroids: FloatArray) -> NDArray[np.float64]:
    """Mean of ``exp(cosine)`` of each centroid with all others, shape (n_clusters,), in [1/e, e].

    A lone centroid has no others and gets 1, as if it were orthogonal to them; a zero centroid has cosine 0.

    Args:
        centroids: Shape (n_clusters, width).

    Source:
        DataTailor (arXiv 2412.06293), published code ``relationship_value_calculation.py``; there a lone centroid is a
        division by zero.

    Example:
        >>> centroid_affinity(np.array([[1.0, 0.0], [0.0, 5.0]])).tolist()
        [1.0, 1.0]
    """
    n_clusters = len(centroids)
    if n_clusters == 1:
        return np.ones(1)
    units = unit_rows(centroids)
    affinity = np.empty(n_clusters)
    for start in range(0, n_clusters, _TILE):
        rows = np.arange(start, min(start + _TILE, n_clusters))
        closeness = np.exp(units[rows] @ units.T)
        closeness[rows - start, rows] = 0
        affinity[rows] = closeness.sum(axis=1) / (n_clusters - 1)
    return affinity
