import numpy as np

from xmas_assets.selection.methods.xmas_coverage import XmasCoverage


def signals_of(maps, n_text=0):
    """Rows with these maps (n_checkpoints, n_dimensions), then rows without image."""
    maps = np.asarray(maps, dtype=np.float32)
    none = np.full((n_text, *maps.shape[1:]), np.nan, dtype=np.float32)
    n_rows = len(maps) + n_text
    return {
        "sample_ids": np.array([f"{row:03d}" for row in range(n_rows)]),
        "has_image": np.arange(n_rows) < len(maps),
        "attention_maps": np.concatenate([maps, none]),
    }


def test_the_row_farthest_from_those_kept_is_kept_next():
    """0 1 4 9 at one checkpoint, mean 3.5: 4, then 9 (5 away), 0 (4 away), 1."""
    signals = signals_of(np.array([0, 1, 4, 9]).reshape(4, 1, 1))
    subsets = [XmasCoverage().select(signals, budget, 0).tolist() for budget in (1, 2, 3)]
    assert subsets == [[2], [2, 3], [0, 2, 3]]


def test_all_checkpoints_count():
    """Equal at the last checkpoint, apart at the first."""
    signals = signals_of(np.array([[[0.0], [5.0]], [[1.0], [5.0]], [[7.0], [5.0]]]))
    assert XmasCoverage().select(signals, 2, 0).tolist() == [1, 2]


def test_text_only_rows_get_their_share_and_only_they_depend_on_the_seed():
    """Four rows with images and twelve without, budget 8: two and six."""
    signals = signals_of(np.array([0, 1, 4, 9]).reshape(4, 1, 1), n_text=12)
    chosen = [XmasCoverage().select(signals, 8, seed).tolist() for seed in range(5)]
    assert all(rows[:2] == [2, 3] and min(rows[2:]) >= 4 and len(rows) == 8 for rows in chosen)
    assert len({tuple(rows) for rows in chosen}) == 5


def test_a_budget_of_one_row_per_group_of_near_duplicates_keeps_one_of_each():
    """Groups of very unequal size, as in a long tail: 60, 30, 5, 3, 1 and 1 rows, in one cell and in several."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(6), [60, 30, 5, 3, 1, 1])
    maps = (4 * np.eye(6)[group] + 0.01 * rng.normal(size=(100, 6))).reshape(100, 2, 3)
    assert sorted(group[XmasCoverage().select(signals_of(maps), 6, 0)]) == list(range(6))
    assert len(set(group[XmasCoverage(cell_rows=50).select(signals_of(maps), 8, 0)])) == 6
