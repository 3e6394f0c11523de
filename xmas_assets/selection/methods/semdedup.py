"""SemDeDup: of rows that nearly repeat one another, keep one."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xmas_assets.contracts.section import LARGEST_SEED, MOST
from xmas_assets.core.arrays import IntArray, Rows
from xmas_assets.core.clustering import fine_n_clusters
from xmas_assets.core.clusters_by_parts import cosines_to_own, spherical_clusters
from xmas_assets.core.similarity import unit_rows
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals

_BLOCK = 1024  # rows compared at once
_ALONE = -1.0  # similarity of a row with none before it


class SemDeDup(Method):
    """Keep the rows least similar to any row that comes before them in their cluster.

    In a cluster rows come from the farthest from its centroid to the nearest. Published: drop a row whose largest
    cosine to an earlier one, dropped or not, exceeds 1 - epsilon. The budget decides epsilon here: the rows of
    smallest largest cosine are kept, which is the same set at the epsilon that leaves so many.

    ``reference`` tries the listed epsilons, takes the one that leaves fewest rows but enough, and cuts the last
    clusters off, as the published code does (which stops if even the fewest are twice what was asked for: here they
    are cut too). If no epsilon leaves enough, it does as the default. ``keep="easy"`` turns the order round; the
    published code then turns it twice, back to hard rows first. More than a million rows are clustered in two steps
    (``core.clusters_by_parts``).
    """

    name: ClassVar[str] = "semdedup"
    paper: ClassVar[str] = "SemDeDup (arXiv 2303.09540)"
    needs: ClassVar[frozenset[str]] = frozenset({"pooled_features"})
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True
    score_name: ClassVar[str] = "largest cosine to a row before it in its cluster"

    n_clusters: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Clusters; none given: one per 66.5 rows, 10,000 for 665k (COINCIDE's copy).",
    )
    keep: Literal["hard", "easy"] = Field(
        default="hard", description="Of near-duplicates, keep the one farther from ('hard') or nearer to the centroid."
    )
    max_iterations: int = Field(default=50, ge=1, le=MOST, description="k-means iterations (published code: 50).")
    cluster_seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="Seed of k-means.")
    epsilons: tuple[Annotated[float, Field(ge=0, le=2)], ...] = Field(
        default=(0.02, 0.1, 0.2, 0.3, 0.4, 0.5),
        min_length=1,
        max_length=1000,
        description="'reference' only: margins tried; a row is dropped at a cosine above 1 - epsilon.",
    )
    variant: Literal["default", "reference"] = Field(
        default="default",
        description="'default', or 'reference': a listed epsilon, cut to the budget by cluster (does not nest).",
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        directions = signals.rows("pooled_features", unit_rows)
        n_clusters = self.n_clusters or fine_n_clusters(len(directions))
        labels, centroids = spherical_clusters(
            directions, n_clusters, seed=self.cluster_seed, max_iterations=self.max_iterations
        )
        cosines = cosines_to_own(directions, labels, centroids)
        return self.compare_rows(directions, labels, 1 - cosines) | {"labels": labels}

    def compare_rows(self, directions: Rows, labels: IntArray, distances: Array) -> dict[str, Array]:
        """Each row's largest cosine to a row before it in its cluster.

        Args:
            directions: Unit rows, shape (n_samples, n_features).
            labels: Cluster of each row, shape (n_samples,), in 0..K-1 with none empty.
            distances: 1 - cosine to the cluster's centroid, shape (n_samples,).

        Returns:
            ``visited_rows``, cluster by cluster, and ``similarity`` of each row, -1 where none comes before it.
        """
        if self.keep == "hard":
            visited = np.lexsort((-distances, labels))
        elif self.variant == "default":
            visited = np.lexsort((distances, labels))
        else:  # turned round twice, so that only rows at equal distance come in another order
            visited = np.lexsort((-np.arange(len(labels)), -distances, labels))
        similarity = np.full(len(labels), _ALONE, dtype=directions.dtype)
        for rows in np.split(visited, np.cumsum(np.bincount(labels))[:-1]):
            similarity[rows] = _largest_before(directions[rows])
        return {"visited_rows": visited, "similarity": similarity}

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        return self._order(signals, count)[:count]

    def _order(self, signals: OrderedSignals, count: int) -> IntArray:
        """All rows, those of the budget first."""
        visited, similarity = signals["visited_rows"], signals["similarity"]
        by_similarity = np.argsort(similarity, kind="stable")
        if self.variant == "reference":
            kept = [visited[similarity[visited] <= 1 - epsilon] for epsilon in self.epsilons]
            enough = [rows for rows in kept if len(rows) >= count]
            if enough:
                first = min(enough, key=len)
                return np.concatenate([first, by_similarity[~np.isin(by_similarity, first)]])
        return by_similarity

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        similarity = signals["similarity"].astype(np.float64)
        scores = np.where(similarity == _ALONE, np.nan, similarity)  # none before it
        return Standing.of_clusters(self._order(signals, count), signals["labels"], scores=scores)

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: unit_rows(signals.take("pooled_features", rows))


def _largest_before(directions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Largest inner product of each row with one before it, shape (n_rows,).

    Matrix products find the row before it; the product with that row alone is what counts, so that copies of a row tie.
    """
    largest = np.full(len(directions), _ALONE, dtype=directions.dtype)
    for start in range(0, len(directions), _BLOCK):
        block = directions[start : start + _BLOCK]
        products = block @ directions[: start + len(block)].T
        products[np.arange(start + len(block)) >= np.arange(start, start + len(block))[:, None]] = -np.inf
        alike = directions[products.argmax(axis=1)]
        largest[start : start + len(block)] = np.multiply(block, alike, dtype=np.float64).sum(axis=1)
    largest[0] = _ALONE
    return largest
