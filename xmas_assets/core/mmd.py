"""Order the rows of clusters so that every first few represent their cluster: greedy maximum mean discrepancy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray, IntArray, Rows

LARGEST_PART = 4096  # rows; its kernel is 128 MiB
_BATCH = 2**22  # numbers held at once in small clusters' kernels and vectors: 32 MiB


def mmd_ranks(values: Rows, labels: IntArray, *, bandwidth: float) -> tuple[IntArray, NDArray[np.float64]]:
    """Each row's place in the greedy order of its cluster, and how dense each cluster is.

    A cluster beyond ``LARGEST_PART`` rows is dealt out into equal parts that are ordered apart and take turns: time
    and memory per row are then bounded, and the order is no longer that of the whole cluster.

    Args:
        values: Rows, shape (n_samples, n_features).
        labels: Cluster of each row, shape (n_samples,), in 0..K-1 with none empty.
        bandwidth: Of the Gaussian kernel, > 0, in the unit of ``values``.

    Returns:
        Ranks, shape (n_samples,), int64, a permutation of 0..size-1 in every cluster; and the mean of each cluster's
        kernel, its diagonal of ones included, shape (K,), in (0, 1] (over pairs within a part only).
    """
    by_cluster = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    n_parts = -(-sizes // LARGEST_PART)
    first_parts = np.cumsum(n_parts) - n_parts
    position = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    part = np.repeat(first_parts, sizes) + position % np.repeat(n_parts, sizes)
    rows, part_sizes = by_cluster[np.argsort(part, kind="stable")], np.bincount(part)
    cluster = np.repeat(np.arange(len(sizes)), n_parts)
    turn = np.arange(len(part_sizes)) - first_parts[cluster]
    starts = np.cumsum(part_sizes) - part_sizes
    ranks = np.empty(len(labels), dtype=np.int64)
    kernel_sums = np.empty(len(part_sizes))
    for parts in _batches(part_sizes, values.shape[1]):
        held, places = part_sizes[parts, None], np.arange(part_sizes[parts].max())
        inside = places < held
        members = rows[starts[parts, None] + np.minimum(places, held - 1)]
        kernels = gaussian_kernels(values[members], bandwidth=bandwidth)
        kernels *= inside[:, :, None] & inside[:, None, :]
        kernel_sums[parts] = kernels.sum(axis=(1, 2))
        ordered = np.take_along_axis(members, greedy_mmd_orders(kernels, held[:, 0]), axis=1)
        # Parts of one cluster take turns: its ranks are then 0..size-1 without a gap.
        ranks[ordered[inside]] = (places * n_parts[cluster[parts], None] + turn[parts, None])[inside]
    totals = np.bincount(cluster, weights=kernel_sums)
    return ranks, totals / np.bincount(cluster, weights=part_sizes.astype(np.float64) ** 2)


def _batches(sizes: IntArray, n_features: int) -> Iterator[IntArray]:
    """Clusters of similar size, as many at a time as memory allows."""
    order = np.argsort(sizes, kind="stable")
    start = 0
    while start < len(order):
        n_numbers = sizes[order[start:]] * (sizes[order[start:]] + n_features)
        fitting = n_numbers * np.arange(1, len(n_numbers) + 1) <= _BATCH
        stop = start + max(1, int(fitting.argmin()) if not fitting.all() else len(fitting))
        yield order[start:stop]
        start = stop


def gaussian_kernels(points: NDArray[Any], *, bandwidth: float) -> NDArray[np.float64]:
    """``exp(-|x - y|^2 / (2 bandwidth^2))`` for all pairs of rows of each cluster.

    Args:
        points: Shape (n_clusters, n_rows, n_features).
        bandwidth: In the unit of ``points``, > 0.

    Returns:
        Shape (n_clusters, n_rows, n_rows), in [0, 1], the diagonal 1.
    """
    points = points.astype(np.float64)
    squares = np.einsum("cij,cij->ci", points, points)
    kernels = points @ points.transpose(0, 2, 1)
    kernels *= -2
    kernels += squares[:, :, None]
    kernels += squares[:, None, :]
    np.maximum(kernels, 0, out=kernels)
    kernels /= -2 * bandwidth**2
    np.exp(kernels, out=kernels)
    diagonal = np.arange(points.shape[1])
    kernels[:, diagonal, diagonal] = 1
    return kernels


def greedy_mmd_orders(kernels: FloatArray, sizes: IntArray, *, n_steps: int | None = None) -> IntArray:
    """Rows of each cluster in the order in which a greedy choice lowers the discrepancy to the whole cluster most.

    The squared discrepancy of the first m rows S is ``mean(K) + sum(K[S, S]) / m^2 - 2 sum_S(mean K) / m``. Adding c
    leaves ``m^2 / 2`` times that, up to a term common to all c, at ``K[c, c] / 2 + sum_S K[a, c] - m mean K[c]``: a
    running sum per row, so a step costs n_rows instead of m^2 n_rows.

    Args:
        kernels: Kernel matrices, shape (n_clusters, n_rows, n_rows), symmetric, zero beyond a cluster's own rows.
        sizes: Rows of each cluster, shape (n_clusters,), each in 1..n_rows.
        n_steps: Rows wanted of each cluster, in 1..n_rows; default all.

    Returns:
        Positions, shape (n_clusters, n_steps), int64; in row c only the first ``sizes[c]`` entries mean anything.
        Equal gains go to the lower position.

    Source:
        COINCIDE (arXiv 2406.10995), published code ``cluster_wise_prune.py: greedy_mmd_selection``.

    Example:
        >>> greedy_mmd_orders(np.array([[[1, 0.1, 0.5], [0.1, 1, 0.5], [0.5, 0.5, 1]]]), np.array([3])).tolist()
        [[2, 0, 1]]
    """
    n_clusters, n_rows, _ = kernels.shape
    means = kernels.sum(axis=1) / sizes[:, None]
    losses = np.diagonal(kernels, axis1=1, axis2=2) / 2
    losses[np.arange(n_rows) >= sizes[:, None]] = np.inf
    orders = np.empty((n_clusters, n_steps or n_rows), dtype=np.int64)
    each = np.arange(n_clusters)
    for step in range(orders.shape[1]):
        losses -= means
        chosen = losses.argmin(axis=1)
        orders[:, step] = chosen
        losses += kernels[each, chosen]
        losses[each, chosen] = np.inf
    return orders
