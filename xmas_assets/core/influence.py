"""How much a training row's gradient agrees with its task's, or with that of a validation set."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.similarity import unit_rows


def mean_cosines(blocks: Callable[[], Iterable[NDArray[Any]]], groups: IntArray) -> NDArray[np.float64]:
    """Mean cosine of each row with all rows of its group, itself included.

    The mean of cosines is the product with the mean of the unit vectors, so no pair of rows is ever formed: two passes,
    linear in the number of rows.

    Args:
        blocks: Gives the vectors from the start whenever it is called: blocks of shape (n_block_rows, width).
        groups: Group of each row, shape (n_rows,), in 0..n_groups-1.

    Returns:
        Shape (n_rows,), float64, in [-1, 1]. A zero vector has cosine 0 with everything.

    Source:
        TIVE (arXiv 2403.09559), instance value; the published code forms all pairs.

    Example:
        >>> mean_cosines(lambda: [np.array([[2.0, 0.0], [0.0, 3.0], [0.0, 1.0]])], np.array([0, 0, 1])).tolist()
        [0.5, 0.5, 1.0]
    """
    from scipy.sparse import csr_matrix

    sizes = np.bincount(groups)
    means = None
    start = 0
    for block in blocks():
        inside = groups[start : start + len(block)]
        shape = (len(sizes), len(block))
        weights = _inverse_lengths(block)
        sums = csr_matrix((weights, (inside, np.arange(len(block)))), shape=shape) @ block.astype(
            weights.dtype, copy=False
        )
        means = sums.astype(np.float64) if means is None else means + sums
        start += len(block)
    if means is None:
        return np.zeros(0)
    means /= np.maximum(sizes, 1)[:, None]
    values = np.empty(len(groups))
    start = 0
    for block in blocks():
        inside = groups[start : start + len(block)]
        weights = _inverse_lengths(block)
        products = block.astype(weights.dtype, copy=False) @ means.astype(weights.dtype).T
        values[start : start + len(block)] = np.take_along_axis(products, inside[:, None], axis=1)[:, 0] * weights
        start += len(block)
    return values


def _inverse_lengths(block: NDArray[Any]) -> FloatArray:
    """1 / length of each row, 0 for a zero row; float32, or float64 if the block is."""
    vectors = block.astype(np.result_type(block.dtype, np.float32), copy=False)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def validation_influence(
    gradients: NDArray[Any], validation: NDArray[Any], *, weights: FloatArray
) -> NDArray[np.float64]:
    """First-order influence of training rows on target tasks: ``sum over checkpoints of weight x cosine``.

    Args:
        gradients: Of the training rows, shape (n_rows, n_checkpoints, width).
        validation: Mean unit gradient of each target task, shape (n_tasks, n_checkpoints, width).
        weights: Of the checkpoints (learning rates), shape (n_checkpoints,).

    Returns:
        Shape (n_rows, n_tasks), float64: the mean over a task's validation rows of the weighted cosines.

    Source:
        LESS (arXiv 2402.04333), definition 3.1 with cosines; published code ``matching.py``.

    Example:
        >>> validation_influence(np.array([[[3.0, 4.0]]]), np.array([[[1.0, 0.0]]]), weights=np.array([2.0])).tolist()
        [[1.2]]
    """
    influence = np.zeros((len(gradients), len(validation)))
    for checkpoint, weight in enumerate(weights):
        influence += weight * (unit_rows(gradients[:, checkpoint]) @ validation[:, checkpoint].T)
    return influence


def mean_directions(gradients: NDArray[Any], groups: IntArray) -> FloatArray:
    """Mean of the unit vectors of each group's rows.

    Args:
        gradients: Shape (n_rows, ..., width).
        groups: Group of each row, shape (n_rows,), in 0..n_groups-1, each at least once.

    Returns:
        Shape (n_groups, ..., width); float32, or float64 if the gradients are. Lengths are 1 where a group's rows all
        point the same way, and less elsewhere. Row order changes no more than the last bits.

    Example:
        >>> mean_directions(np.array([[3.0, 0.0], [0.0, 5.0], [0.0, 2.0]]), np.array([0, 0, 1])).tolist()
        [[0.5, 0.5], [0.0, 1.0]]
    """
    directions = unit_rows(gradients)
    return np.stack([directions[groups == group].mean(axis=0) for group in range(groups.max() + 1)])


def descending_ranks(values: NDArray[Any]) -> IntArray:
    """Rank of each row in each column, 0 for the largest; equal values go to the lower row.

    Args:
        values: Shape (n_rows, n_columns), finite.

    Returns:
        Shape (n_rows, n_columns), int64.

    Example:
        >>> descending_ranks(np.array([[1.0, 5.0], [2.0, 5.0]])).tolist()
        [[1, 0], [0, 1]]
    """
    order = np.argsort(-values, axis=0, kind="stable")
    ranks = np.empty(values.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(len(values))[:, None], axis=0)
    return ranks
