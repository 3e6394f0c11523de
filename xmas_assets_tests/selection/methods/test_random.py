import numpy as np

from xmas_assets.selection.methods.random import Random


def test_the_rows_are_the_first_of_the_seeded_permutation_of_the_sorted_ids():
    """numpy's permutation of 6 for seed 3 is its own reference: position p of the sorted ids is row 5 - p here."""
    ids = np.array(list("fedcba"))
    expected = sorted(5 - position for position in np.random.default_rng(3).permutation(6)[:2])
    assert Random().select({"sample_ids": ids}, 2, 3).tolist() == expected


def test_every_row_is_equally_likely():
    """500 draws of 3 of 10 rows: each is expected 150 times, standard deviation sqrt(500 * 0.3 * 0.7) = 10.2."""
    ids = np.array(list("abcdefghij"))
    counts = np.bincount(np.concatenate([Random().select({"sample_ids": ids}, 3, seed) for seed in range(500)]))
    assert (np.abs(counts - 150) < 5 * 10.2).all()
