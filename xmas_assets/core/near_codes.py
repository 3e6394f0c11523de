"""Pairs of binary codes that differ in few bits: all of them, found by comparing every code with every other."""

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import IntArray

Codes = NDArray[np.uint8]


def pairs_within(codes: Codes, others: Codes, *, distance: int) -> tuple[IntArray, IntArray, IntArray]:
    """Every pair of a code and another code that differ in at most so many bits.

    Nothing is approximated: faiss counts the bits of every pair, 665,000 x 10,000 codes of 64 bits in seconds
    (``benchmarks/RESULTS.md``), however many codes are alike.

    Args:
        codes: Shape (n_codes, n_bytes).
        others: Shape (n_others, n_bytes).
        distance: Largest number of different bits, >= 0.

    Returns:
        Rows of ``codes``, rows of ``others`` and distances in bits, each of shape (n_pairs,), ascending in this order.

    Example:
        >>> rows, others, bits = pairs_within(np.array([[0], [7]], np.uint8), np.array([[1]], np.uint8), distance=1)
        >>> rows.tolist(), others.tolist(), bits.tolist()
        ([0], [0], [1])
    """
    if not (len(codes) and len(others)):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    import faiss

    index = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index.add(np.ascontiguousarray(codes))  # pyright: ignore[reportCallIssue] its wrapper takes the array alone
    # faiss takes a bound that is itself not within.
    ends, distances, rows = index.range_search(np.ascontiguousarray(others), distance + 1)  # pyright: ignore[reportCallIssue]
    other_rows = np.repeat(np.arange(len(others)), np.diff(ends.astype(np.int64)))
    order = np.lexsort((other_rows, rows))
    return rows[order].astype(np.int64), other_rows[order], distances[order].astype(np.int64)
