"""Strata of a dataset: its rows with images, or their clusters, and those without."""

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.core.allocation import allocate_by_weight
from xmas_assets.core.arrays import IntArray
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import OrderedSignals


def strata_of(signals: OrderedSignals) -> tuple[IntArray, IntArray]:
    """Each row's stratum, and the strata's sizes: the clusters by label, then the rows without a trajectory.

    Args:
        signals: With ``cluster_label``, -1 in rows without a trajectory.

    Returns:
        Strata, shape (n_samples,), and sizes, shape (n_clusters + 1,); the last stratum may be empty.

    Raises:
        SelectionError: If no row has a trajectory.
    """
    labels = signals["cluster_label"]
    has_cluster = labels >= 0
    if not has_cluster.any():
        raise SelectionError(
            f"all {len(labels)} rows are text-only or left out, so there is no attention to cluster; "
            "use random, or a dataset with images"
        )
    rest = int(labels.max()) + 1
    strata = np.where(has_cluster, labels, rest).astype(np.int64)
    return strata, np.bincount(strata, minlength=rest + 1)


def stratum_names(sizes: IntArray) -> list[str]:
    """What people call the strata of ``strata_of``, from their sizes."""
    return [*(f"cluster {label}" for label in range(len(sizes) - 1)), "no trajectory"]


def image_and_text_rows(signals: OrderedSignals) -> tuple[IntArray, IntArray]:
    """Positions of the rows with an image, at least one, and of those without, ascending.

    Args:
        signals: With ``has_image``.

    Raises:
        SelectionError: If no row has an image.
    """
    has_image = signals["has_image"].astype(bool)
    if not has_image.any():
        raise SelectionError(
            f"all {len(has_image)} rows are text-only, so there are no attention maps to compare; "
            "use random, or a dataset with images"
        )
    return np.flatnonzero(has_image), np.flatnonzero(~has_image)


def heads_of_both(image_rows: IntArray, text_rows: IntArray, count: int) -> IntArray:
    """The first of the rows with images and the first of those without, each as many as are its share of ``count``."""
    sizes = np.array([len(image_rows), len(text_rows)])
    n_image, n_text = allocate_by_weight(sizes, np.log(np.maximum(sizes, 1)), count)
    return np.concatenate([image_rows[:n_image], text_rows[:n_text]])


def standing_of_both(image_rows: IntArray, text_rows: IntArray) -> Standing:
    """How rows stand whose ``heads_of_both`` are chosen."""
    sizes = np.array([len(image_rows), len(text_rows)])
    return Standing.of_heads(np.concatenate([image_rows, text_rows]), sizes, ("with image", "without image"))


def tasks_of(signals: OrderedSignals) -> tuple[NDArray[np.str_], IntArray]:
    """The tasks' names in ascending order, and each row's task as a position among them, shape (n_samples,).

    Rows without a task are a task of their own, named "".

    Args:
        signals: With ``task``.
    """
    names, tasks = np.unique([task or "" for task in signals["task"].tolist()], return_inverse=True)
    return names, tasks.astype(np.int64)
