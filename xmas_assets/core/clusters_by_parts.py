"""Spherical k-means of more rows than it can go through: rows fall into parts first, and each part is clustered."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from xmas_assets.core.allocation import allocate_by_weight
from xmas_assets.core.arrays import FloatArray, IntArray, Rows
from xmas_assets.core.clustering import spherical_kmeans

Clusters = tuple[IntArray, FloatArray]
"""Labels and centroids."""

EXACT_ROWS = 1_000_000
"""Rows up to which all are compared with all centroids: at one cluster per 66.5 rows, hours of one processor."""

_TRAINED_PER_PART = 256  # rows that the parts' centroids are found with, as faiss has it
_LARGEST_PART = 2**17  # rows held at once; a larger part is divided again
_BLOCK_ROWS = 2**14


def spherical_clusters(
    values: Rows, n_clusters: int, *, seed: int, max_iterations: int = 50, exact_rows: int = EXACT_ROWS
) -> Clusters:
    """Group samples by direction: as ``spherical_kmeans``, or in two steps where there are more than ``exact_rows``.

    The two steps: about ``sqrt(n_clusters)`` parts, whose centroids are found with 256 rows each, and all rows at the
    nearest; then in each part its share of the clusters, in proportion to its rows. A row is compared with about
    ``2 sqrt(n_clusters)`` centroids instead of all, and memory is that of one part. What is lost are clusters across
    the borders of parts; ``benchmarks/RESULTS.md`` has the agreement.

    Args:
        values: Samples, shape (n_samples, n_features), finite, at least one.
        n_clusters: Clusters wanted; fewer come back if fewer samples differ.
        seed: Chooses the samples to start from.
        max_iterations: Iterations at most, >= 1.
        exact_rows: Rows that are clustered in one step.

    Returns:
        Labels, shape (n_samples,), int64, in 0..K-1 with none empty; and centroids, shape (K, n_features), of unit
        length.

    Raises:
        ValueError: If there is no sample or a number is out of range.

    Example:
        >>> values = np.array([[1.0, 0.1], [0.0, 2.0], [5.0, 0.0], [0.1, 1.0]])
        >>> labels = spherical_clusters(values, 2, seed=0, exact_rows=3)[0]
        >>> bool(labels[0] == labels[2] != labels[1] == labels[3])
        True
    """
    cluster = partial(spherical_kmeans, seed=seed, max_iterations=max_iterations)
    if len(values) <= exact_rows:
        return cluster(values, n_clusters)
    labels = np.empty(len(values), dtype=np.int64)
    centroids: list[FloatArray] = []
    n_found = 0
    for part in _parts(values, np.arange(len(values)), n_clusters, cluster=cluster, seed=seed):
        own, found = cluster(values[part.rows], part.n_clusters)
        labels[part.rows] = own + n_found
        centroids.append(found)
        n_found += len(found)
    return labels, np.concatenate(centroids)


class _Part(NamedTuple):
    rows: IntArray
    n_clusters: int


def _parts(
    values: Rows, rows: IntArray, n_clusters: int, *, cluster: Callable[..., Clusters], seed: int
) -> Iterator[_Part]:
    """Rows by the directions in which they lie, each part with its share of the clusters, and small enough."""
    n_parts = max(2, round(math.sqrt(n_clusters)))
    n_drawn = min(len(rows), _TRAINED_PER_PART * n_parts)
    drawn = np.sort(np.random.default_rng(seed).choice(rows, n_drawn, replace=False))
    _, centres = cluster(values[drawn], n_parts)
    nearest = _nearest(values, rows, centres)
    sizes = np.bincount(nearest, minlength=len(centres))
    if sizes.max() == len(rows):  # all in one direction: any division is as good
        nearest = np.arange(len(rows)) * n_parts // len(rows)
        sizes = np.bincount(nearest)
    members = np.split(rows[np.argsort(nearest, kind="stable")], np.cumsum(sizes)[:-1])
    for own, share in zip(members, _shares(sizes, n_clusters), strict=True):
        if len(own) > _LARGEST_PART:
            yield from _parts(values, own, int(share), cluster=cluster, seed=seed)
        elif len(own):
            yield _Part(own, int(share))


def _shares(sizes: IntArray, n_clusters: int) -> IntArray:
    """Clusters of each part, in proportion to its rows; at least one where there is a row."""
    least = (sizes > 0).astype(np.int64)
    rest = min(max(0, n_clusters - int(least.sum())), int((sizes - least).sum()))
    return least + allocate_by_weight(sizes - least, np.log(np.maximum(sizes, 1)), rest)


def _nearest(values: Rows, rows: IntArray, centres: FloatArray) -> IntArray:
    """The centroid of largest inner product with each row."""
    nearest = np.empty(len(rows), dtype=np.int64)
    with threadpool_limits(limits=1):
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = values[rows[start : start + _BLOCK_ROWS]].astype(centres.dtype, copy=False)
            nearest[start : start + _BLOCK_ROWS] = (block @ centres.T).argmax(axis=1)
    return nearest


def cosines_to_own(directions: Rows, labels: IntArray, centroids: FloatArray) -> NDArray[np.floating]:
    """Inner product of each row with its cluster's centroid, shape (n_samples,).

    Args:
        directions: Unit rows, shape (n_samples, n_features).
        labels: Cluster of each row, shape (n_samples,).
        centroids: Shape (n_clusters, n_features).
    """
    starts = range(0, len(labels), _BLOCK_ROWS)
    blocks = ((directions[start : start + _BLOCK_ROWS], labels[start : start + _BLOCK_ROWS]) for start in starts)
    return np.concatenate([np.einsum("ij,ij->i", block, centroids[own]) for block, own in blocks])
