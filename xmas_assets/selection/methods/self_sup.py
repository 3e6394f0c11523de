"""Self-supervised prototypes: the rows that fit their cluster worst."""

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xmas_assets.contracts.section import LARGEST_SEED, MOST
from xmas_assets.core.arrays import IntArray
from xmas_assets.core.clustering import default_n_clusters
from xmas_assets.core.clusters_by_parts import cosines_to_own, spherical_clusters
from xmas_assets.core.similarity import unit_rows
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals


class SelfSup(Method):
    """Keep the rows farthest from their own prototype, the centroid of their k-means cluster, by cosine.

    The paper keeps hard rows where data are plenty and advises easy ones where they are few. Balance between clusters
    is not forced. No published code to compare with.
    """

    name: ClassVar[str] = "self_sup"
    paper: ClassVar[str] = "Self-Sup prototypes (Sorscher et al. 2022, arXiv 2206.14486)"
    needs: ClassVar[frozenset[str]] = frozenset({"pooled_features"})
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True
    score_name: ClassVar[str] = "cosine to its prototype"

    n_clusters: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Prototypes; none given: sqrt(1.5 N), 1,000 for 665k rows (paper: 1,000).",
    )
    keep: Literal["hard", "easy"] = Field(
        default="hard", description="Keep the rows farthest from ('hard') or nearest to their prototype."
    )
    max_iterations: int = Field(default=50, ge=1, le=MOST, description="k-means iterations.")
    cluster_seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="Seed of k-means.")

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        directions = signals.rows("pooled_features", unit_rows)
        n_clusters = self.n_clusters or default_n_clusters(len(directions))
        labels, centroids = spherical_clusters(
            directions, n_clusters, seed=self.cluster_seed, max_iterations=self.max_iterations
        )
        cosines = cosines_to_own(directions, labels, centroids)
        ranked_rows = np.argsort(cosines if self.keep == "hard" else -cosines, kind="stable")
        return {"ranked_rows": ranked_rows, "labels": labels, "cosines": cosines}

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return signals["ranked_rows"][:count]

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        return Standing.of_clusters(signals["ranked_rows"], signals["labels"], scores=signals["cosines"])

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: unit_rows(signals.take("pooled_features", rows))
