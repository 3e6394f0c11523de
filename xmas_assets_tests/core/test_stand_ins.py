"""The kept row that stands for one that was dropped."""

import numpy as np

from xmas_assets.core.stand_ins import stand_ins


def by_hand(points, kept, groups):
    """Each dropped row's nearest kept row of its group, by all distances."""
    nearest = []
    for row, point in enumerate(points):
        rivals = np.flatnonzero(kept & (groups == groups[row]))
        distances = np.linalg.norm(points[rivals] - point, axis=1)
        nearest.append(-1 if kept[row] or len(rivals) == 0 else rivals[distances.argmin()])
    return nearest


def test_it_is_the_nearest_kept_row_of_the_group():
    rng = np.random.default_rng(0)
    points, kept, groups = rng.normal(size=(200, 5)), rng.random(200) < 0.2, rng.integers(0, 12, 200)
    np.testing.assert_array_equal(stand_ins(lambda rows: points[rows], kept, groups), by_hand(points, kept, groups))


def test_a_row_without_a_place_stands_for_none_and_none_for_it():
    points = np.array([[0.0], [np.nan], [0.2], [np.nan]])
    kept = np.array([False, True, True, False])
    assert stand_ins(lambda rows: points[rows], kept, np.zeros(4, dtype=np.int64)).tolist() == [2, -1, -1, -1]


def test_a_large_group_is_searched_in_parts():
    """Halved across the spread: rows at 0..3 and at 100..103; none is kept in the second part."""
    points = np.array([[0.0], [1.0], [2.0], [3.0], [100.0], [101.0], [102.0], [103.0]])
    kept = np.arange(8) == 1
    nearest = stand_ins(lambda rows: points[rows], kept, np.zeros(8, dtype=np.int64), cell_rows=4)
    assert nearest.tolist() == [1, -1, 1, 1, -1, -1, -1, -1]
