"""Leverage scores: how much each row counts in the leading directions of a matrix too tall for memory."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Leverage(NamedTuple):
    """Leverage scores and the rank that they refer to.

    Attributes:
        scores: Shape (n_rows,), float64, in [0, 1]; they add up to ``rank``.
        rank: Leading directions kept; 0 if all rows are equal.
    """

    scores: NDArray[np.float64]
    rank: int


def leverage_scores(
    blocks: Callable[[], Iterable[NDArray[Any]]], *, energy_share: float = 0.9, centred: bool = True
) -> Leverage:
    """Squared length of each row in the leading left singular vectors of a matrix.

    Two passes over the rows: one adds up their Gram matrix (n_columns, n_columns) in float64, whose eigenvectors are
    the right singular vectors; the other projects every row on them. Memory is that of the Gram matrix and a block,
    for any number of rows. Squaring halves the digits of float64, which still leaves more than float32 data have.

    Args:
        blocks: Gives the rows from the start whenever it is called: blocks of shape (n_block_rows, n_columns), finite,
            at least one row in all.
        energy_share: Of the sum of squared singular values, held by the directions that are kept, in (0, 1]: as few
            of them as reach it.
        centred: Subtract each column's mean first.

    Returns:
        Scores and rank. Directions below the resolution of float64 do not count.

    Raises:
        ValueError: If there are no rows, or ``energy_share`` is out of range.

    Source:
        ScalSelect (arXiv 2602.11636), published code ``cur.py``: there a full SVD in float32, twice.

    Example:
        >>> rows = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> leverage_scores(lambda: [rows]).scores.round(6).tolist()
        [0.5, 0.5, 0.0, 0.0]
    """
    if not 0 < energy_share <= 1:
        raise ValueError(f"energy_share must be in (0, 1], got {energy_share}")
    mean, gram = _moments(blocks, centred=centred)
    energies, directions = np.linalg.eigh(gram)
    energies, directions = energies[::-1], directions[:, ::-1]
    resolved = int((energies > energies[0] * len(energies) * np.finfo(np.float64).eps).sum()) if energies[0] > 0 else 0
    totals = np.cumsum(energies[:resolved])
    rank = min(int((totals < energy_share * totals[-1]).sum()) + 1, resolved) if resolved else 0
    basis = directions[:, :rank] / np.sqrt(energies[:rank])
    scores = [np.square((block - mean) @ basis).sum(axis=1) for block in blocks()]
    return Leverage(np.concatenate(scores), rank)


def _moments(
    blocks: Callable[[], Iterable[NDArray[Any]]], *, centred: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The column means that are subtracted, and the Gram matrix of the rows without them."""
    n_rows, shift, sums, gram = 0, np.zeros(0), np.zeros(0), np.zeros((0, 0))
    for block in blocks():
        if n_rows == 0:
            # Sums around the first row lose no digits where the columns have large means; equal rows come out as 0.
            shift = block[0].astype(np.float64) if centred else np.zeros(block.shape[1])
            sums, gram = np.zeros(block.shape[1]), np.zeros((block.shape[1], block.shape[1]))
        shifted = block - shift
        sums += shifted.sum(axis=0)
        gram += shifted.T @ shifted
        n_rows += len(block)
    if n_rows == 0:
        raise ValueError("there are no rows to score; give at least one")
    if not centred:
        return shift, gram
    return shift + sums / n_rows, gram - np.outer(sums, sums) / n_rows
