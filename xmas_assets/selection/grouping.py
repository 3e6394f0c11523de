"""From trajectories to clusters: what XMAS prepares once per dataset, for any budget and seed."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import ScalarTrajectories
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.settings import ClusterSettings
from xmas_assets.core.arrays import rows_with_values
from xmas_assets.core.clustering import default_n_clusters, kmeans
from xmas_assets.core.trajectories import instability, stability_ranks
from xmas_assets.selection.signal_arrays import id_order


def group_trajectories(trajectories: ScalarTrajectories, settings: ClusterSettings) -> dict[str, pl.DataFrame]:
    """Cluster the scalar trajectories and rank each cluster's rows by stability.

    Args:
        trajectories: Of all rows; those without a trajectory get label -1, rank -1 and instability NaN.
        settings: Number of clusters, seed, iterations.

    Returns:
        ``clusters`` (row, sample_id, label, instability, stability_rank, in row order; ties in stability go to the
        smaller id) and ``centroids`` (label, n_rows, centroid of shape (n_checkpoints,)).

    Raises:
        SelectionError: If no row has a trajectory, or two rows share a sample_id.

    Source:
        XMAS (arXiv 2510.01454), clustering of v(t); published code ``kmeans_clustering.py``.
    """
    n_rows = len(trajectories.sums)
    has_trajectory = rows_with_values(trajectories.sums)
    if not has_trajectory.any():
        raise SelectionError(f"all {n_rows} rows are text-only or left out, so there is nothing to cluster; use random")
    order = id_order({"sample_ids": trajectories.sample_ids})
    rows = order[has_trajectory[order]]
    sums = trajectories.sums[rows]
    n_clusters = settings.n_clusters or default_n_clusters(len(sums))
    labels, centroids = kmeans(sums, n_clusters, seed=settings.seed, max_iterations=settings.max_iterations)
    moves = instability(sums)
    clusters = pl.DataFrame(
        {
            "row": np.arange(n_rows),
            "sample_id": pl.Series(trajectories.sample_ids, dtype=pl.String),
            "label": _scatter(labels, rows, n_rows, fill=-1),
            "instability": _scatter(moves, rows, n_rows, fill=np.nan),
            "stability_rank": _scatter(stability_ranks(labels, moves), rows, n_rows, fill=-1),
        }
    )
    sizes = np.bincount(labels, minlength=len(centroids))
    table = {"label": np.arange(len(centroids)), "n_rows": sizes, "centroid": centroids}
    return {"clusters": clusters, "centroids": pl.DataFrame(table)}


def _scatter(values: NDArray[Any], rows: NDArray[np.int64], n_rows: int, *, fill: float) -> NDArray[Any]:
    """The values at their rows, and ``fill`` elsewhere."""
    whole = np.full(n_rows, fill, dtype=values.dtype)
    whole[rows] = values
    return whole
