"""Points of many dimensions on a plane, to be looked at; and how far sets of rows are the same."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits


def principal_plane(values: NDArray[Any]) -> NDArray[np.float64]:
    """The rows along the two directions in which they spread most; the same input gives the same plane.

    Args:
        values: Rows, shape (n_rows, n_features), finite, at least one.

    Returns:
        Shape (n_rows, 2), around 0. A direction in which nothing spreads is 0.

    Example:
        >>> np.abs(principal_plane(np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]]))).round(6).tolist()
        [[2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]
    """
    from sklearn.decomposition import PCA

    n_axes = min(2, *values.shape)
    plane = np.zeros((len(values), 2))
    with threadpool_limits(limits=1):  # sums of several threads come in a varying order
        if len(values) > 1:
            found = PCA(n_axes, svd_solver="randomized", random_state=0)
            with np.errstate(invalid="ignore"):  # where all rows are equal it divides by their variance
                plane[:, :n_axes] = found.fit_transform(values.astype(np.float32))
    return np.where(np.abs(plane) > 1e-6 * np.abs(plane).max(initial=0), plane, 0.0)


def jaccard(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Rows that two sets share over those in either, for every two of them.

    Args:
        chosen: Which rows are in which set, shape (n_sets, n_rows); no set is empty.

    Returns:
        Shape (n_sets, n_sets), in [0, 1].

    Example:
        >>> jaccard(np.array([[True, True, False], [False, True, True]])).round(3).tolist()
        [[1.0, 0.333], [0.333, 1.0]]
    """
    members = chosen.astype(np.float32)  # exact up to 2^24 rows
    common = (members @ members.T).astype(np.float64)
    sizes = np.diag(common)
    return common / (sizes[:, None] + sizes - common)
