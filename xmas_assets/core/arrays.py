"""The two kinds of arrays that the package computes with; docstrings give the shapes."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]


def rows_with_values(values: FloatArray) -> NDArray[np.bool_]:
    """Which entries of the first axis hold no NaN, shape (n_rows,): a stored signal is NaN where a row has none."""
    return np.logical_not(np.isnan(values).any(axis=tuple(range(1, values.ndim))))
