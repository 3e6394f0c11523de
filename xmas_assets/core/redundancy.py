"""How much of a dataset repeats itself: near-duplicates, clusters, directions of its rows as points in a space."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.clustering import default_n_clusters, kmeans
from xmas_assets.core.similarity import NEAR_SHARE, median_distance

N_COMPONENTS = 5

_N_PROBES = 1000  # rows whose nearest other row is looked for among all
_ITERATIONS = 20  # of k-means: enough for sizes, and for keeping near rows together
_DISTANCES = 2**22  # held at once: 16 MiB


@dataclass(frozen=True)
class Redundancy:
    """What repeats among the rows of one space.

    Attributes:
        n_rows: Rows that have a place in it.
        duplicate_mass: Share of the rows that have another one nearer than ``near_distance``, in [0, 1].
        group_size: Mean rows of a group of near-duplicates (rows linked by such distances); 1 if there is no group.
        neighbour_distance: Median distance to the nearest other row, as a share of the median distance of two rows:
            small where most rows nearly repeat another. NaN if two rows are mostly equal.
        cluster_evenness: Entropy of the k-means clusters' sizes over that of equal sizes, in [0, 1]; 1 if all rows are
            in one cluster.
        leading_share: Share of the variance along the first 5 principal components, in [0, 1]; 1 if nothing varies.
        near_distance: Below this, rows count as near-duplicates: a quarter of the median distance of two rows.
        group_counts: Sizes of groups with how many groups have them, by ascending size; a row without near-duplicates
            is a group of 1. Of sets so large that not all rows are compared, groups come out too small.
    """

    n_rows: int
    duplicate_mass: float
    group_size: float
    neighbour_distance: float
    cluster_evenness: float
    leading_share: float
    near_distance: float
    group_counts: tuple[tuple[int, int], ...]

    def expected_loss(self, share: float) -> float:
        """What a random subset is expected to lose to repeats: of the groups that it could show, the part it misses.

        A subset of n rows can show n groups at most, or all there are. Rows are taken to be drawn independently.

        Args:
            share: Rows of the subset over all rows, in (0, 1].

        Returns:
            In [0, 1); 0 if no row has a near-duplicate.

        Raises:
            ValueError: If ``share`` is not in (0, 1].
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], got {share}")
        sizes, counts = np.array(self.group_counts, dtype=np.float64).T
        shown = counts @ (1 - (1 - share) ** sizes)
        return max(0.0, float(1 - shown / min(share * self.n_rows, counts.sum())))


def measure_redundancy(values: FloatArray, *, cell_rows: int = 4096, seed: int = 0) -> Redundancy:
    """Measure how much the rows of a space repeat one another; the order of the rows does not matter.

    Up to ``cell_rows`` rows that differ, all are compared. Beyond that, those in one k-means cluster are, of as many
    as give that mean size, and pairs across a border are missed: the work grows with ``n_rows * cell_rows``. The
    more rows a dataset has, the nearer they lie, so compare sets of unlike sizes with care.

    Args:
        values: Rows, shape (n_rows, n_features), finite, at least two.
        cell_rows: Rows compared with one another, >= 1.
        seed: Of the sampled pairs and of k-means.

    Raises:
        ValueError: If there are fewer than two rows, or a value is not finite.
    """
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"give finite values of shape (n_rows >= 2, n_features), got {values.shape}")
    points, copies = np.unique(values, axis=0, return_counts=True)
    points = np.subtract(points, points.mean(axis=0, dtype=np.float64), dtype=np.float32, casting="same_kind")
    with threadpool_limits(limits=1):  # sums of several threads come in a varying order
        typical = median_distance(points, copies, seed=seed)
        groups = _near_groups(points, NEAR_SHARE * typical, cell_rows=cell_rows, seed=seed)
        labels, _ = kmeans(values, default_n_clusters(len(values)), seed=seed, max_iterations=_ITERATIONS)
        nearest = _nearest_distance(points, copies, np.random.default_rng(seed))
        leading_share = _leading_share(points, copies)
    sizes = np.bincount(groups, copies).astype(np.int64)
    repeated = sizes[sizes > 1]
    return Redundancy(
        n_rows=len(values),
        duplicate_mass=float(repeated.sum() / len(values)),
        group_size=float(repeated.mean()) if len(repeated) else 1.0,
        neighbour_distance=nearest / typical if typical > 0 else np.nan,
        cluster_evenness=_evenness(np.bincount(labels)),
        leading_share=leading_share,
        near_distance=NEAR_SHARE * typical,
        group_counts=tuple(
            zip(*(part.tolist() for part in np.unique(sizes[sizes > 0], return_counts=True)), strict=True)
        ),
    )


def _squares(points: FloatArray, norms: FloatArray, rows: slice | IntArray) -> FloatArray:
    """Squared distances from some points to all, shape (n_chosen, n_points); infinite to themselves."""
    squares = np.maximum(norms[rows, None] + norms - 2 * (points[rows] @ points.T), 0)
    squares[np.arange(len(squares)), np.arange(len(points))[rows]] = np.inf
    return squares


def _near_groups(points: FloatArray, limit: float, *, cell_rows: int, seed: int) -> IntArray:
    """For every point the first one of its group, shape (n_points,)."""
    cells, _ = kmeans(points, -(-len(points) // cell_rows), seed=seed, max_iterations=_ITERATIONS)
    groups = np.empty(len(points), dtype=np.int64)
    for cell in np.split(np.argsort(cells, kind="stable"), np.cumsum(np.bincount(cells))[:-1]):
        groups[cell] = cell[_linked(points[cell], limit)]
    return groups


def _linked(points: FloatArray, limit: float) -> IntArray:
    """For every point the first one that it is linked to, over steps shorter than ``limit``; shape (n_points,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    norms = np.einsum("ij,ij->i", points, points)
    leaders = places = np.arange(len(points))
    step = max(1, _DISTANCES // len(points))
    for start in range(0, len(points), step):
        near, others = np.nonzero(_squares(points, norms, slice(start, start + step)) < limit**2)
        ends = np.concatenate([near + start, places]), np.concatenate([others, leaders])
        graph = coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(len(points), len(points)))
        _, first, members = np.unique(connected_components(graph)[1], return_index=True, return_inverse=True)
        leaders = first[members]
    return leaders


def _nearest_distance(points: FloatArray, copies: IntArray, rng: np.random.Generator) -> float:
    """Median distance of a row to the nearest other one, from some rows against all; 0 for one that has a copy."""
    norms = np.einsum("ij,ij->i", points, points)
    probes = np.sort(np.repeat(np.arange(len(points)), copies)[rng.permutation(copies.sum())[:_N_PROBES]])
    step = max(1, _DISTANCES // len(points))
    nearest = np.concatenate(
        [_squares(points, norms, probes[start : start + step]).min(axis=1) for start in range(0, len(probes), step)]
    )
    return float(np.median(np.sqrt(np.where(copies[probes] > 1, 0, nearest))))


def _evenness(sizes: NDArray[np.number]) -> float:
    shares = sizes / sizes.sum()
    return float(-(shares @ np.log(shares)) / np.log(len(shares))) if len(shares) > 1 else 1.0


def _leading_share(points: FloatArray, copies: IntArray) -> float:
    weights = copies / copies.sum()
    mean = weights @ points
    covariance = (points * weights[:, None]).T @ points - np.outer(mean, mean)
    variances = np.linalg.eigvalsh(covariance)[::-1].clip(min=0)
    return float(variances[:N_COMPONENTS].sum() / variances.sum()) if variances[0] > 0 else 1.0
