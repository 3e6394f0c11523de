"""Pairs of codes within a distance: all of them, as counted bit by bit."""

import numpy as np
import pytest

from xmas_assets.core.near_codes import pairs_within


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes and others, of which half are codes with 0 to 9 bits turned."""
    rng = np.random.default_rng(seed)
    codes, others = (rng.integers(0, 256, (n, 8), dtype=np.uint8) for n in (300, 120))
    for row in range(60):
        turned = np.unpackbits(codes[row])
        turned[rng.choice(64, row % 10, replace=False)] ^= 1
        others[row] = np.packbits(turned)
    return codes, others


@pytest.mark.parametrize("distance", [0, 1, 6, 63, 64])
def test_all_pairs_are_found_that_counting_bits_finds(distance):
    codes, others = planted()
    bits = np.bitwise_count(codes[:, None] ^ others[None]).sum(axis=2, dtype=np.int64)
    rows, other_rows = np.nonzero(bits <= distance)
    found = pairs_within(codes, others, distance=distance)
    assert [each.tolist() for each in found] == [rows.tolist(), other_rows.tolist(), bits[rows, other_rows].tolist()]


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)])
def test_nothing_is_like_nothing(sizes):
    codes, others = (np.zeros((n, 8), np.uint8) for n in sizes)
    assert [len(each) for each in pairs_within(codes, others, distance=6)] == [0, 0, 0]
