"""From trajectories to clusters: what XMAS prepares once per dataset, whatever the budget and seed."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import AttentionTrajectories
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.settings import ClusterSettings
from xmas_assets.core.clustering import default_n_clusters, kmeans
from xmas_assets.core.trajectories import instability, leading_sums, stability_ranks


def group_trajectories(trajectories: AttentionTrajectories, settings: ClusterSettings) -> dict[str, pl.DataFrame]:
    """Cluster the scalar trajectories and rank each cluster's rows by stability.

    Args:
        trajectories: Of all rows; those without an image get label -1, rank -1 and instability NaN.
        settings: Number of clusters, seed, iterations.

    Returns:
        ``clusters`` (row, sample_id, label, instability, stability_rank, in row order; ties in stability go to the
        smaller id) and ``centroids`` (label, n_rows, centroid of shape (n_checkpoints,)).

    Raises:
        SelectionError: If no row has an image.

    Source:
        XMAS (arXiv 2510.01454), clustering of v(t); published code ``kmeans_clustering.py``.
    """
    has_image = trajectories.has_image
    if not has_image.any():
        raise SelectionError(f"none of {len(has_image)} rows has an image, so there is nothing to cluster; use random")
    sums = leading_sums(trajectories.values[has_image])
    n_clusters = settings.n_clusters or default_n_clusters(len(sums))
    labels, centroids = kmeans(sums, n_clusters, seed=settings.seed, max_iterations=settings.max_iterations)
    moves = instability(sums)
    order = np.argsort(trajectories.sample_ids[has_image].astype(str), kind="stable")
    ranks = np.empty_like(labels)
    ranks[order] = stability_ranks(labels[order], moves[order])
    clusters = pl.DataFrame(
        {
            "row": np.arange(len(has_image)),
            "sample_id": pl.Series(trajectories.sample_ids, dtype=pl.String),
            "label": _spread(labels, has_image, fill=-1),
            "instability": _spread(moves, has_image, fill=np.nan),
            "stability_rank": _spread(ranks, has_image, fill=-1),
        }
    )
    sizes = np.bincount(labels, minlength=len(centroids))
    table = {"label": np.arange(len(centroids)), "n_rows": sizes, "centroid": centroids}
    return {"clusters": clusters, "centroids": pl.DataFrame(table)}


def _spread(values: NDArray[Any], present: NDArray[np.bool_], *, fill: float) -> NDArray[Any]:
    whole = np.full(len(present), fill, dtype=values.dtype)
    whole[present] = values
    return whole
