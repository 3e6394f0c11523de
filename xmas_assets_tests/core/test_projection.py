"""Points on a plane, and how far sets are the same."""

import numpy as np

from xmas_assets.core.projection import jaccard, principal_plane


def test_distances_on_the_plane_are_those_of_points_that_lie_in_one():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(50, 2)) * [3, 1]
    basis, _ = np.linalg.qr(rng.normal(size=(6, 2)))
    plane = principal_plane(flat @ basis.T + 5)
    for rows in (flat, plane):
        assert rows.shape == (50, 2)
    expected = np.linalg.norm(flat[:, None] - flat, axis=2)
    np.testing.assert_allclose(np.linalg.norm(plane[:, None] - plane, axis=2), expected, atol=1e-4)


def test_the_first_direction_is_that_of_most_spread():
    plane = principal_plane(np.random.default_rng(1).normal(size=(300, 3)) * [1, 9, 3])
    assert plane[:, 0].std() > 2 * plane[:, 1].std() > 0


def test_equal_rows_one_row_and_one_column_have_a_place():
    assert principal_plane(np.ones((3, 4))).tolist() == [[0, 0]] * 3
    assert principal_plane(np.ones((1, 4))).tolist() == [[0, 0]]
    assert principal_plane(np.array([[1.0], [3.0]]))[:, 1].tolist() == [0, 0]


def test_the_same_input_gives_the_same_bytes():
    values = np.random.default_rng(2).normal(size=(80, 20))
    assert principal_plane(values).tobytes() == principal_plane(values).tobytes()


def test_overlap_is_shared_rows_over_rows_in_either():
    """Of {0, 1, 2} and {2, 3} one row in four; of {4} and the others none."""
    sets = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=bool)
    assert jaccard(sets).tolist() == [[1, 0.25, 0], [0.25, 1, 0], [0, 0, 1]]
