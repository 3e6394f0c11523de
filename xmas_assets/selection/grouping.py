"""From trajectories to clusters: what XMAS prepares once per dataset, for any budget and seed."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from xmas_assets.contracts.artifacts import ScalarTrajectories
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.settings import ClusterSettings
from xmas_assets.core.arrays import FloatArray, IntArray, rows_with_values
from xmas_assets.core.clustering import default_n_clusters, kmeans, nearest_centroid
from xmas_assets.core.trajectories import instability, stability_ranks
from xmas_assets.selection.signal_arrays import id_order


def group_trajectories(
    trajectories: ScalarTrajectories, settings: ClusterSettings, *, n_first: int | None = None
) -> dict[str, pl.DataFrame]:
    """Cluster the scalar trajectories and rank each cluster's rows by stability.

    Args:
        trajectories: Of all rows; those without a trajectory get label -1, rank -1 and instability NaN.
        settings: Number of clusters, seed, iterations, and what happens when a dataset grew.
        n_first: Rows that were there first, of a dataset that grew.

    Returns:
        ``clusters`` (row, sample_id, label, instability, stability_rank, in row order; ties in stability go to the
        smaller id) and ``centroids`` (label, n_rows, centroid of shape (n_checkpoints,)).

    Raises:
        SelectionError: If no row has a trajectory, or two rows share a sample_id.

    Source:
        XMAS (arXiv 2510.01454), clustering of v(t); published code ``kmeans_clustering.py``.
    """
    n_rows = len(trajectories.sums)
    columns, centroids = _clusters(trajectories, settings, n_first=n_rows if n_first is None else n_first)
    sample_ids = pl.Series(trajectories.sample_ids, dtype=pl.String)
    clusters = pl.DataFrame({"row": np.arange(n_rows), "sample_id": sample_ids, **columns})
    sizes = np.bincount(columns["label"] + 1, minlength=len(centroids) + 1)[1:]
    table = {"label": np.arange(len(centroids)), "n_rows": sizes, "centroid": centroids}
    return {"clusters": clusters, "centroids": pl.DataFrame(table)}


def _clusters(
    trajectories: ScalarTrajectories, settings: ClusterSettings, *, n_first: int
) -> tuple[dict[str, NDArray[Any]], FloatArray]:
    """Label, instability and stability rank of each row, and the centroids.

    Apart from the table, so that the trajectories in order of their ids, as large as all else, are gone before it.
    """
    n_rows = len(trajectories.sums)
    has_trajectory = rows_with_values(trajectories.sums)
    if not has_trajectory.any():
        raise SelectionError(f"all {n_rows} rows are text-only or left out, so there is nothing to cluster; use random")
    order = id_order({"sample_ids": trajectories.sample_ids})
    rows = order[has_trajectory[order]]
    del order
    sums = trajectories.sums[rows]
    labels, centroids = _clustered(sums, rows < (n_first if settings.when_grown == "assign" else n_rows), settings)
    moves = instability(sums)
    del sums
    columns = {
        "label": _scatter(labels, rows, n_rows, fill=-1),
        "instability": _scatter(moves, rows, n_rows, fill=np.nan),
        "stability_rank": _scatter(stability_ranks(labels, moves), rows, n_rows, fill=-1),
    }
    return columns, centroids


def _clustered(sums: FloatArray, is_first: NDArray[np.bool_], settings: ClusterSettings) -> tuple[IntArray, FloatArray]:
    """Labels of all trajectories, and the centroids of the first ones, or of all if none of the first is there."""
    fitted = sums if is_first.all() or not is_first.any() else sums[is_first]
    n_clusters = settings.n_clusters or default_n_clusters(len(fitted))
    labels, centroids = kmeans(fitted, n_clusters, seed=settings.seed, max_iterations=settings.max_iterations)
    if len(fitted) == len(sums):
        return labels, centroids
    whole = np.empty(len(sums), dtype=np.int64)
    origin = centroids[len(centroids) // 2]
    with threadpool_limits(limits=1):
        whole[~is_first] = nearest_centroid(sums[~is_first], centroids - origin, origin=origin)
    whole[is_first] = labels
    return whole, centroids


def drift(
    trajectories: ScalarTrajectories, labels: IntArray, centroids: FloatArray, *, n_first: int | None
) -> dict[str, float]:
    """How rows that came later lie among the clusters, against the first ones.

    Args:
        trajectories: Of all rows.
        labels: Cluster of each row, -1 without a trajectory.
        centroids: Of the clusters, shape (n_clusters, n_checkpoints).
        n_first: Rows that were there first; None where none came later, of which there is nothing to say.

    Returns:
        Later rows in clusters; their mean squared distance to the centroid over that of the first rows (1: alike); and
        the total variation between the shares of the clusters among later and first rows, 0 (the same) to 1.
    """
    if n_first is None:
        return {}
    parts = []
    for rows in (slice(0, n_first), slice(n_first, None)):
        own = labels[rows]
        has_label = own >= 0
        gaps = trajectories.sums[rows][has_label] - centroids[own[has_label]]
        parts.append((np.square(gaps).sum(axis=1), np.bincount(own[has_label], minlength=len(centroids))))
    (first_gaps, first_sizes), (later_gaps, later_sizes) = parts
    found: dict[str, float] = {"rows that came later": len(later_gaps)}
    if len(later_gaps) and len(first_gaps) and first_gaps.mean() > 0:
        shares = later_sizes / later_sizes.sum() - first_sizes / first_sizes.sum()
        found["drift: squared distance to the centroid, later over first"] = float(
            later_gaps.mean() / first_gaps.mean()
        )
        found["drift: share of later rows that would change cluster to be spread as the first"] = float(
            np.abs(shares).sum() / 2
        )
    return found


def _scatter(values: NDArray[Any], rows: NDArray[np.int64], n_rows: int, *, fill: float) -> NDArray[Any]:
    """The values at their rows, and ``fill`` elsewhere."""
    whole = np.full(n_rows, fill, dtype=values.dtype)
    whole[rows] = values
    return whole
