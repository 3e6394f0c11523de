"""COINCIDE: representatives of concept clusters, more from clusters that transfer well and are sparse."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xmas_assets.contracts.section import LARGEST_SEED, MOST
from xmas_assets.core.allocation import allocate_by_weight, group_heads
from xmas_assets.core.arrays import FloatArray, IntArray, Rows
from xmas_assets.core.clustering import fine_n_clusters
from xmas_assets.core.clusters_by_parts import spherical_clusters
from xmas_assets.core.mmd import mmd_ranks
from xmas_assets.core.similarity import unit_rows
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals

_NEAR_DUPLICATE = 0.9  # cosine above which the published code leaves a pair of clusters out
_BLOCK = 1024  # clusters compared at once


class Coincide(Method):
    """Split the budget over clusters by ``exp(S / (temperature * D))``; inside each, minimise MMD greedily.

    S, transferability, is a centroid's mean cosine to the other centroids (0 if there is none); D, density, the mean
    Gaussian kernel over a cluster's pairs. The published code differs, and so does ``reference``: S takes the text
    half of the centroids only and leaves out pairs with a cosine above 0.9 (0 if none is left, where the code has
    NaN); D counts each row's kernel with itself, so small clusters look denser, and a cluster of one row, which has no
    pair, has D = 1 instead of the other clusters' mean; and clusters are served from the best down, each with its
    share of what is left. There what the last clusters cannot hold is lost; here it is handed on to the others.

    Rows without image take part with a zero image half. Clusters are spherical k-means; the published engine is faiss.
    More than a million rows are clustered in two steps (``core.clusters_by_parts``).
    """

    name: ClassVar[str] = "coincide"
    paper: ClassVar[str] = "COINCIDE (arXiv 2406.10995)"
    needs: ClassVar[frozenset[str]] = frozenset({"block_activations"})
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True
    score_name: ClassVar[str] = "transferability / density of its cluster"

    n_clusters: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Clusters; none given: one per 66.5 rows, the paper's 10,000 for 665k rows.",
    )
    temperature: float = Field(
        default=0.1, ge=0.001, le=1e9, description="tau: lower favours the best clusters (paper: 0.1)."
    )
    bandwidth: float = Field(
        default=1.0, ge=0.1, le=1e9, description="Of the Gaussian kernel, in the features' unit (published code: 1)."
    )
    max_iterations: int = Field(default=50, ge=1, le=MOST, description="k-means iterations (published code: 50).")
    cluster_seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="Seed of k-means.")
    variant: Literal["default", "reference"] = Field(
        default="default",
        description="'default', or 'reference': scores and shares as the published code has them (does not nest).",
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        rows = signals.rows("block_activations")
        n_clusters = self.n_clusters or fine_n_clusters(len(rows))
        labels, centroids = spherical_clusters(
            rows, n_clusters, seed=self.cluster_seed, max_iterations=self.max_iterations
        )
        shape = signals.take("block_activations", np.arange(1)).shape[1:]
        return self.describe_clusters(rows, labels, centroids.reshape(-1, *shape))

    def describe_clusters(self, features: Rows, labels: IntArray, centroids: Array) -> dict[str, Array]:
        """Order the rows of given clusters, and score the clusters.

        Args:
            features: Shape (n_samples, n_layers * 2 * width).
            labels: Cluster of each row, shape (n_samples,), in 0..K-1 with none empty.
            centroids: Shape (K, n_layers, 2, width), the text half second.

        Returns:
            ``ranked_rows``, cluster by cluster; per cluster ``sizes``, ``transferability``, ``density``.
        """
        ranks, kernel_means = mmd_ranks(features, labels, bandwidth=self.bandwidth)
        sizes = np.bincount(labels)
        is_default = self.variant == "default"
        return {
            "ranked_rows": np.lexsort((ranks, labels)),
            "sizes": sizes,
            "transferability": _mean_cosines(centroids) if is_default else _distinct_text_cosines(centroids),
            "density": _pair_density(kernel_means, sizes) if is_default else kernel_means,
        }

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        sizes = signals["sizes"]
        scores = self._scores(signals)
        if self.variant == "default":
            quotas = allocate_by_weight(sizes, scores, count)
        else:
            quotas = _allocate_as_published(sizes, scores, count)
            quotas += allocate_by_weight(sizes - quotas, scores, count - int(quotas.sum()))
        return signals["ranked_rows"][group_heads(sizes, quotas)]

    def _scores(self, signals: OrderedSignals) -> FloatArray:
        """Of each cluster, shape (K,): the logarithm of its share."""
        return signals["transferability"] / signals["density"] / self.temperature

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        names = [f"cluster {label}" for label in range(len(signals["sizes"]))]
        standing = Standing.of_heads(signals["ranked_rows"], signals["sizes"], names)
        return replace(standing, scores=self._scores(signals)[standing.groups])

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: signals.take("block_activations", rows)


def _mean_cosines(centroids: FloatArray) -> FloatArray:
    """Mean cosine of each centroid to all others, shape (K,)."""
    directions = unit_rows(centroids.reshape(len(centroids), -1).astype(np.float64))
    own = np.einsum("ij,ij->i", directions, directions)
    return (directions @ directions.sum(axis=0) - own) / max(1, len(directions) - 1)


def _distinct_text_cosines(centroids: FloatArray) -> FloatArray:
    """Mean cosine of each centroid's text half to those with which it is at most 0.9, shape (K,)."""
    directions = unit_rows(centroids[:, :, 1].reshape(len(centroids), -1))
    means = np.empty(len(directions))
    for start in range(0, len(directions), _BLOCK):
        cosines = directions[start : start + _BLOCK] @ directions.T
        distinct = cosines <= _NEAR_DUPLICATE
        totals = np.where(distinct, cosines, 0).sum(axis=1, dtype=np.float64)
        means[start : start + _BLOCK] = totals / np.maximum(distinct.sum(axis=1), 1)
    return means


def _pair_density(kernel_means: FloatArray, sizes: IntArray) -> FloatArray:
    """Mean kernel over the pairs of each cluster, from that over all its entries, shape (K,)."""
    n_pairs = sizes * (sizes - 1)
    has_pairs = n_pairs > 0
    if not has_pairs.any():
        return np.ones(len(sizes))
    density = (kernel_means * sizes**2 - sizes) / np.maximum(n_pairs, 1)
    return np.where(has_pairs, density, density[has_pairs].mean())


def _allocate_as_published(sizes: IntArray, scores: FloatArray, count: int) -> IntArray:
    """Best cluster first, each its softmax share of what is left, rounded half to even; may add up to less."""
    quotas = np.zeros(len(sizes), dtype=np.int64)
    order = np.argsort(scores, kind="stable")[::-1]
    left = count
    for position, cluster in enumerate(order):
        share = 1 / np.exp(scores[order[position:]] - scores[cluster]).sum()
        quotas[cluster] = min(round(left * float(share)), int(sizes[cluster]))
        left -= int(quotas[cluster])
    return quotas
