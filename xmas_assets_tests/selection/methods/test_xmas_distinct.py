import numpy as np

from xmas_assets.selection.methods.xmas_distinct import XmasDistinct

ANGLES = np.deg2rad([0, 1, 2, 60, 61, 120])
GROUPS = [0, 0, 0, 1, 1, 2]


def signals_of(angles, lengths=1.0, n_text=0):
    """Rows whose map, at one checkpoint, points in a direction; then rows without image."""
    maps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.reshape(lengths, (-1, 1))
    n_rows = len(maps) + n_text
    return {
        "sample_ids": np.array([f"{row:03d}" for row in range(n_rows)]),
        "has_image": np.arange(n_rows) < len(maps),
        "attention_maps": np.concatenate([maps, np.full((n_text, 2), np.nan)])[:, None].astype(np.float32),
    }


def test_a_second_row_of_a_neighbourhood_comes_after_the_first_of_all_others():
    for seed in range(10):
        chosen = XmasDistinct().select(signals_of(ANGLES), 3, seed)
        assert sorted(GROUPS[row] for row in chosen) == [0, 1, 2]


def test_how_strongly_the_text_looks_does_not_count():
    """The same directions, rows of a group looking up to a hundred times as strongly as one another."""
    chosen = XmasDistinct().select(signals_of(ANGLES, lengths=[1, 100, 10, 50, 1, 7]), 3, 0)
    assert sorted(GROUPS[row] for row in chosen) == [0, 1, 2]


def test_which_row_of_a_neighbourhood_is_kept_is_drawn_by_the_seed():
    kept = [XmasDistinct().select(signals_of(ANGLES), 3, seed).tolist() for seed in range(60)]
    counts = np.bincount(np.concatenate(kept), minlength=6)
    assert counts[5] == 60 and counts[:3].min() >= 10 and counts[3:5].min() >= 18


def test_where_all_rows_differ_every_row_is_as_likely():
    angles = np.deg2rad(np.arange(0, 180, 45))
    chosen = [XmasDistinct().select(signals_of(angles), 2, seed) for seed in range(200)]
    counts = np.bincount(np.concatenate(chosen), minlength=4)
    assert counts.sum() == 400 and counts.min() > 75 and counts.max() < 125


def test_text_only_rows_get_their_share():
    """Four rows with images and twelve without, budget 8: two and six, as in xmas_coverage."""
    chosen = XmasDistinct().select(signals_of(np.deg2rad([0, 45, 90, 135]), n_text=12), 8, 0)
    assert (chosen < 4).sum() == 2


def test_a_single_row_with_image_is_a_neighbourhood():
    assert XmasDistinct().select(signals_of(np.array([0.3])), 1, 0).tolist() == [0]
