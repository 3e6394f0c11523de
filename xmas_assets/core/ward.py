"""Ward clustering cut at a share of its highest merge: exact, and by parts where all pairs do not fit into memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.relations import group_means

_TILE = 512  # rows whose distances are held in addition to the result
_POWER_STEPS = 10  # enough for a direction along which the rows spread; it need not be the leading one


def ward_labels(features: NDArray[Any], *, cut_share: float = 0.1, exact_rows: int = 20_000) -> IntArray:
    """Clusters of Ward's method, cut at a share of the height of the last merge.

    Up to ``exact_rows`` rows the result is exact: ``n_rows ** 2 / 2`` distances in float64, twice (they, and the
    library's copy). Beyond, rows are halved along the direction in which they spread until the parts have at most half
    of ``exact_rows``. Each part has its own tree, cut into its share of ``exact_rows / 2`` small clusters, which are
    merged with their sizes as weights; where the final cut lies below a small cluster, it goes through its part's tree.
    Memory is then bounded by ``exact_rows``, and time grows with the number of rows, not its square. What differs from
    the exact tree are early merges across parts; ``benchmarks/RESULTS.md`` has the agreement.

    Args:
        features: Shape (n_rows, width), at least one row, finite.
        cut_share: Merges up to this share of the highest one are kept, in [0, 1].
        exact_rows: Rows that are clustered exactly, >= 8.

    Returns:
        Shape (n_rows,), int64, in 0..n_clusters-1.

    Source:
        DataTailor (arXiv 2412.06293), published code ``make_clustering.py``, with 0.1.

    Example:
        >>> ward_labels(np.array([[0.0], [9.0], [0.1]])).tolist()
        [0, 1, 0]
    """
    from scipy.cluster.hierarchy import fcluster, ward
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    if len(features) == 1:
        return np.zeros(1, dtype=np.int64)
    if len(features) <= exact_rows:
        merges = ward(pair_distances(features))
        return _cut(merges, cut_share * merges[-1, 2])
    n_small = exact_rows // 2
    parts = [
        (rows, ward(pair_distances(features[rows]))) for rows in _parts(features, np.arange(len(features)), n_small)
    ]
    small = np.empty(len(features), dtype=np.int64)
    n_labels = 0
    for rows, merges in parts:
        share = max(1, n_small * len(rows) // len(features))
        small[rows] = fcluster(merges, share, criterion="maxclust") - 1 + n_labels
        n_labels = int(small[rows].max()) + 1
    pairs, heights = _weighted_merges(group_means(features, small), np.bincount(small))
    height = cut_share * heights.max()
    kept = pairs[heights <= height]
    links = csr_matrix((np.ones(len(kept)), tuple(kept.T)), shape=(n_labels, n_labels))
    joined = connected_components(links, directed=False)[1].astype(np.int64)
    return _refined(joined[small], small, parts, height=height)


def _cut(merges: FloatArray, height: float) -> IntArray:
    from scipy.cluster.hierarchy import fcluster

    return fcluster(merges, height, criterion="distance").astype(np.int64) - 1


def _refined(labels: IntArray, small: IntArray, parts: list[tuple[IntArray, FloatArray]], *, height: float) -> IntArray:
    """Labels with every small cluster taken apart whose own tree the cut goes through."""
    fine = np.empty(len(labels), dtype=np.int64)
    n_fine = 0
    for rows, merges in parts:
        fine[rows] = _cut(merges, height) + n_fine
        n_fine = int(fine[rows].max()) + 1
    pieces = np.bincount(np.unique(small * n_fine + fine) // n_fine)
    keys = np.where(pieces[small] > 1, labels.max() + 1 + fine, labels)
    return np.unique(keys, return_inverse=True)[1]


def pair_distances(features: NDArray[Any]) -> FloatArray:
    """Euclidean distances of all pairs of rows, in scipy's condensed order, shape (n_rows * (n_rows - 1) / 2,).

    Rows are taken a tile at a time, so that no square matrix is formed; equal rows of a set of equal rows are exactly
    0 apart.
    """
    points = features.astype(np.float64)
    points -= points[0]
    squares = np.einsum("ij,ij->i", points, points)
    n_rows = len(points)
    condensed = np.empty(n_rows * (n_rows - 1) // 2)
    filled = 0
    for start in range(0, n_rows, _TILE):
        tile = points[start : start + _TILE] @ points[start:].T
        tile *= -2
        tile += squares[start : start + _TILE, None]
        tile += squares[start:]
        np.maximum(tile, 0, out=tile)
        np.sqrt(tile, out=tile)
        for row in range(len(tile)):
            rest = tile[row, row + 1 :]
            condensed[filled : filled + len(rest)] = rest
            filled += len(rest)
    return condensed


def _parts(features: NDArray[Any], rows: IntArray, n_most: int) -> list[IntArray]:
    """Rows halved at the median along the direction in which they spread, until no part has more than ``n_most``."""
    if len(rows) <= n_most:
        return [rows]
    points = features[rows].astype(np.float32)
    points -= points.mean(axis=0)
    direction = points[np.einsum("ij,ij->i", points, points).argmax()]
    for _ in range(_POWER_STEPS):
        direction = (points @ direction) @ points
        direction /= max(float(np.linalg.norm(direction)), np.finfo(np.float32).tiny)
    order = rows[np.argsort(points @ direction, kind="stable")]
    del points
    halves = np.sort(order[: len(rows) // 2]), np.sort(order[len(rows) // 2 :])
    return [part for half in halves for part in _parts(features, half, n_most)]


def _weighted_merges(centroids: FloatArray, sizes: IntArray) -> tuple[IntArray, FloatArray]:
    """Ward's merges of clusters that have a size: a member of each side, and the height, per merge.

    Follows chains of nearest neighbours; the merges come in no order of height.
    """
    n_clusters = len(sizes)
    weights = sizes.astype(np.float64)
    squares = np.einsum("ij,ij->i", centroids, centroids)
    costs = squares[:, None] + squares - 2 * (centroids @ centroids.T)
    costs *= 2 * weights[:, None] * weights / (weights[:, None] + weights)
    np.maximum(costs, 0, out=costs)
    np.fill_diagonal(costs, np.inf)
    pairs, heights = np.empty((n_clusters - 1, 2), dtype=np.int64), np.empty(n_clusters - 1)
    is_open = np.ones(n_clusters, dtype=bool)
    chain: list[int] = []
    for merge in range(n_clusters - 1):
        if not chain:
            chain = [int(is_open.argmax())]
        while True:
            row = costs[chain[-1]]
            nearest = int(row.argmin())
            if len(chain) > 1 and row[chain[-2]] <= row[nearest]:
                break
            chain.append(nearest)
        gone, stays = chain.pop(), chain.pop()
        pairs[merge], heights[merge] = (stays, gone), np.sqrt(costs[stays, gone])
        _join(costs, weights, stays=stays, gone=gone)
        is_open[gone] = False
    return pairs, heights


def _join(costs: FloatArray, weights: FloatArray, *, stays: int, gone: int) -> None:
    """Merge one cluster into another, in place: its costs follow from those of the two (Lance-Williams)."""
    total = weights + weights[stays] + weights[gone]
    merged = (weights + weights[stays]) * costs[stays] + (weights + weights[gone]) * costs[gone]
    merged = (merged - weights * costs[stays, gone]) / total
    merged[[stays, gone]] = np.inf
    costs[stays], costs[:, stays] = merged, merged
    costs[gone], costs[:, gone] = np.inf, np.inf
    weights[stays] += weights[gone]
