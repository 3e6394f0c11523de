"""k-means, by distance or by direction, that gives the same clusters for any number of threads."""

import math

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from xmas_assets.core.arrays import FloatArray, IntArray, Rows
from xmas_assets.core.similarity import first_of_equal, unit_rows

_PRODUCTS = 2**23  # inner products held at once
_TRAINED_PER_CENTROID = 256  # distinct samples, as faiss has it
_BLOCK_ROWS = 2**16


def default_n_clusters(n_samples: int) -> int:
    """Number of clusters for a dataset of this size: ``round(sqrt(1.5 N))``, at least 1 and at most N.

    Source:
        Our rule; it gives the 1000 of XMAS (arXiv 2510.01454) at that paper's N = 665k, and 126 at 10,609.

    Example:
        >>> default_n_clusters(665_298), default_n_clusters(1)
        (999, 1)
    """
    return max(1, min(n_samples, round(math.sqrt(1.5 * n_samples))))


def fine_n_clusters(n_samples: int) -> int:
    """Number of clusters that each hold one concept: one per 66.5 samples, at least 1.

    Source:
        COINCIDE (arXiv 2406.10995): 10,000 for LLaVA-665k.

    Example:
        >>> fine_n_clusters(665_298), fine_n_clusters(5)
        (10004, 1)
    """
    return max(1, round(n_samples / 66.5))


def kmeans(
    values: FloatArray, n_clusters: int, *, seed: int, max_iterations: int = 100, initial: FloatArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Group samples around centroids (Lloyd's algorithm, Euclidean distance, values taken as they are).

    Identical samples are clustered once, weighted by their number: that is the same optimum for less work, and it
    makes the centroids independent of the order of the rows. Of more than 256 distinct samples per centroid, as many
    are trained on, drawn by a seeded hash of their values; then each of all samples goes to its nearest centroid.

    Args:
        values: Samples, shape (n_samples, n_features), finite, at least one.
        n_clusters: Clusters wanted; fewer come back if there are fewer distinct samples.
        seed: Chooses what is trained on, and the initial centroids: distinct samples, drawn with their number of
            copies as weight.
        max_iterations: Lloyd iterations, >= 1.
        initial: Centroids to start from instead, shape (n_clusters, n_features).

    Returns:
        Labels, shape (n_samples,), int64, in 0..K-1 with none empty; and centroids, shape (K, n_features), in the
        type of ``values``, in ascending order (of the first feature, then the second, ...) or in that of ``initial``.

    Raises:
        ValueError: If there is no sample, a value is not finite, or a number is out of range.

    Source:
        XMAS (arXiv 2510.01454), published code ``kmeans_clustering.py``: faiss, which we use too (measured against
        others in ``benchmarks/RESULTS.md``); it trains on 256 rows per centroid, drawn by their position.

    Example:
        >>> labels, centroids = kmeans(np.array([[0.0], [9.0], [1.0], [9.0]]), 2, seed=0)
        >>> centroids[labels].ravel().tolist()
        [0.5, 9.0, 0.5, 9.0]
    """
    _check_kmeans(values, n_clusters, max_iterations)
    trained_on = values[_training_rows(values, _TRAINED_PER_CENTROID * n_clusters, seed=seed)]
    points, inverse, copies = np.unique(trained_on, axis=0, return_inverse=True, return_counts=True)
    if initial is None and len(points) <= n_clusters:
        return inverse.astype(np.int64), points
    first = _draw_points(points, copies, n_clusters, seed=seed) if initial is None else initial
    # faiss computes in float32, where little is lost near the origin.
    origin = points[len(points) // 2]
    with threadpool_limits(limits=1):
        centroids = _lloyd(points - origin, copies, first - origin, max_iterations=max_iterations)
        all_trained_on = len(trained_on) == len(values)
        labels = nearest_centroid(points if all_trained_on else values, centroids, origin=origin)
    used, labels = _numbered_afresh(labels[inverse] if all_trained_on else labels, len(centroids))
    centroids = (centroids[used] + origin).astype(values.dtype)
    if initial is None:
        labels, centroids = _in_ascending_order(labels, centroids)
    return labels, centroids


def _numbered_afresh(labels: IntArray, n_clusters: int) -> tuple[IntArray, IntArray]:
    """The clusters that have rows, ascending, and the labels as positions among these."""
    has_rows = np.bincount(labels, minlength=n_clusters) > 0
    return np.flatnonzero(has_rows), (np.cumsum(has_rows) - 1)[labels]


def _draw_points(points: FloatArray, copies: IntArray, count: int, *, seed: int) -> FloatArray:
    """Distinct samples to start from, each as likely as it has copies."""
    return points[np.random.default_rng(seed).choice(len(points), count, replace=False, p=copies / copies.sum())]


def _in_ascending_order(labels: IntArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """The same clusters, numbered by their centroids' features."""
    numbering = np.lexsort(centroids.T[::-1])
    return np.argsort(numbering, kind="stable")[labels], centroids[numbering]


def _check_kmeans(values: FloatArray, n_clusters: int, max_iterations: int) -> None:
    if values.ndim != 2 or len(values) == 0:
        raise ValueError(f"values must have shape (n_samples >= 1, n_features), got {values.shape}")
    if n_clusters < 1 or max_iterations < 1:
        raise ValueError(f"n_clusters and max_iterations must be >= 1, got {n_clusters} and {max_iterations}")
    if not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values).all(axis=1)).sum())
        raise ValueError(f"values must be finite, but {n_bad} of {len(values)} samples have NaN or infinity")


def _training_rows(values: FloatArray, n_distinct: int, *, seed: int) -> NDArray[np.bool_] | slice:
    """All rows, or those of ``n_distinct`` distinct samples with all of their copies.

    The ones of smallest hash are taken, so that neither the order of the rows nor the number of copies plays a part.
    """
    if len(values) <= n_distinct:
        return slice(None)
    hashes = np.full(len(values), np.random.default_rng(seed).integers(2**63), dtype=np.uint64)
    for feature in values.T:
        hashes ^= (feature + 0.0).astype(np.float64).view(np.uint64)  # + 0.0: -0.0 is the same sample as 0.0
        # The mixing steps of splitmix64 (Steele, Lea and Flood 2014).
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            hashes ^= hashes >> np.uint64(shift)
            hashes *= np.uint64(factor)
        hashes ^= hashes >> np.uint64(31)
    ascending = np.sort(hashes)
    ends = np.flatnonzero(ascending[1:] != ascending[:-1])  # last of each distinct one, but for the largest
    return slice(None) if len(ends) < n_distinct else hashes <= ascending[ends[n_distinct - 1]]


def _lloyd(points: FloatArray, weights: IntArray, initial: FloatArray, *, max_iterations: int) -> NDArray[np.float32]:
    """Centroids after so many iterations; one that loses all its points splits that of another."""
    import faiss

    options = {"min_points_per_centroid": 1, "max_points_per_centroid": 2**31 - 1}  # no warning, no sampling of its own
    engine = faiss.Kmeans(points.shape[1], len(initial), niter=max_iterations, seed=1234, **options)
    # faiss refuses fewer points than centroids, and does nothing for as many: then all points occur more than once.
    n_times = len(initial) // len(points) + 1
    rows, row_weights = np.tile(points.astype(np.float32), (n_times, 1)), np.tile(weights.astype(np.float32), n_times)
    engine.train(rows, weights=row_weights, init_centroids=initial.astype(np.float32))
    return np.asarray(engine.centroids)


def nearest_centroid(values: FloatArray, centroids: NDArray[np.float32], *, origin: FloatArray) -> IntArray:
    """The nearest centroid of each row, by Euclidean distance; of equally near ones the first.

    Args:
        values: Rows, shape (n_rows, n_features).
        centroids: Shape (n_centroids, n_features), as seen from ``origin``.
        origin: What is subtracted from the rows, so that float32 suffices, shape (n_features,).

    Returns:
        Positions among the centroids, shape (n_rows,), int64.
    """
    import faiss

    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    labels = np.empty(len(values), dtype=np.int64)
    for start in range(0, len(values), _BLOCK_ROWS):
        block = (values[start : start + _BLOCK_ROWS] - origin).astype(np.float32)
        labels[start : start + _BLOCK_ROWS] = index.search(block, 1)[1][:, 0]
    return labels


def spherical_kmeans(
    values: Rows, n_clusters: int, *, seed: int, max_iterations: int = 50, initial: FloatArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Group samples by direction: centroids of unit length, each sample at the one of largest inner product.

    A cluster that loses all its samples restarts at the sample that fits its own centroid worst. One thread, as in
    ``kmeans``; but the result depends on the order of the rows, which decides ties and what a seed draws.

    Args:
        values: Samples, shape (n_samples, n_features), finite, at least one; longer ones weigh more.
        n_clusters: Clusters wanted; fewer come back if fewer samples differ.
        seed: Chooses the samples to start from.
        max_iterations: Iterations at most, >= 1.
        initial: Centroids to start from instead, shape (n_clusters, n_features).

    Returns:
        Labels, shape (n_samples,), int64, in 0..K-1 with none empty; and centroids, shape (K, n_features), of unit
        length, float32 (float64 if ``values`` are).

    Raises:
        ValueError: If there is no sample or a number is out of range.

    Source:
        COINCIDE (arXiv 2406.10995), published code ``clustering.py`` (faiss with ``spherical=True``).

    Example:
        >>> spherical_kmeans(np.array([[1.0, 0.1], [0.0, 2.0], [5.0, 0.0]]), 2, seed=0)[0].tolist()
        [1, 0, 1]
    """
    if len(values.shape) != 2 or len(values) == 0:
        raise ValueError(f"values must have shape (n_samples >= 1, n_features), got {values.shape}")
    if n_clusters < 1 or max_iterations < 1:
        raise ValueError(f"n_clusters and max_iterations must be >= 1, got {n_clusters} and {max_iterations}")
    if initial is None:
        drawn = np.random.default_rng(seed).choice(len(values), min(n_clusters, len(values)), replace=False)
        initial = values[drawn]
    centroids = unit_rows(initial)
    with threadpool_limits(limits=1):
        for _ in range(max_iterations):
            labels, products, sums = _assign(values, centroids)
            updated = unit_rows(sums.astype(centroids.dtype))
            empty = np.flatnonzero(np.bincount(labels, minlength=len(centroids)) == 0)
            updated[empty] = unit_rows(values[np.argsort(products, kind="stable")[: len(empty)]])
            if np.array_equal(updated, centroids):
                break
            centroids = updated
        labels, _, _ = _assign(values, centroids)
    used, labels = _numbered_afresh(labels, len(centroids))
    return labels, centroids[used]


def _assign(values: Rows, centroids: FloatArray) -> tuple[IntArray, FloatArray, NDArray[np.float64]]:
    """Each sample's best centroid and inner product with it, and the sum of every centroid's samples.

    Of equal centroids the first gets the samples.
    """
    from scipy.sparse import csr_matrix

    distinct = first_of_equal(centroids)
    labels = np.empty(len(values), dtype=np.int64)
    products = np.empty(len(values), dtype=centroids.dtype)
    sums = np.zeros(centroids.shape)
    step = max(1, _PRODUCTS // len(centroids))
    for start in range(0, len(values), step):
        block = values[start : start + step].astype(centroids.dtype, copy=False)
        inner = block @ centroids[distinct].T
        nearest = inner.argmax(axis=1)
        best = distinct[nearest]
        labels[start : start + step] = best
        products[start : start + step] = np.take_along_axis(inner, nearest[:, None], axis=1)[:, 0]
        ones = np.ones(len(block))
        sums += csr_matrix((ones, (best, np.arange(len(block)))), shape=(len(centroids), len(block))) @ block
    return labels, products, sums
