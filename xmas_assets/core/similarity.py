"""Directions: rows scaled to unit length."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unit_rows(values: NDArray[Any]) -> NDArray[np.floating]:
    """Vectors scaled to length 1 along the last axis; a zero vector stays zero.

    Args:
        values: Vectors, shape (..., n_features).

    Returns:
        Same shape; float32, or float64 if ``values`` are.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    vectors = values.astype(np.result_type(values.dtype, np.float32), copy=False)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
