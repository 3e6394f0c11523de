"""The kinds of arrays that the package computes with; docstrings give the shapes."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]


def rows_with_values(values: FloatArray) -> NDArray[np.bool_]:
    """Which entries of the first axis hold no NaN, shape (n_rows,): a stored signal is NaN where a row has none."""
    return np.logical_not(np.isnan(values).any(axis=tuple(range(1, values.ndim))))


class Rows(Protocol):
    """Vectors that may lie on disk: an array, or what gives rows when it is indexed by them."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """Number of rows, and of the numbers of each."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[Any]: ...
