import numpy as np
import pytest

from xmas_assets.core import neighbours as module
from xmas_assets.core.neighbours import nearest_neighbours


def by_definition(values, n_neighbours):
    squares = np.square(values[:, None] - values[None]).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    order = np.argsort(squares, axis=1, kind="stable")[:, :n_neighbours]
    return order, np.take_along_axis(squares, order, axis=1)


def test_the_nearest_rows_come_first_and_a_row_is_not_its_own_neighbour():
    """On a line at 0, 1, 3, 7: of 3 the nearest are 1 (2^2) and 0 (3^2)."""
    rows, squares = nearest_neighbours(np.array([[0.0], [1.0], [3.0], [7.0]]), 2)
    assert rows.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert squares.tolist() == [[1, 9], [1, 4], [4, 9], [16, 36]]


@pytest.mark.parametrize("block", [1, 700, 2**24])
def test_blocks_change_nothing(monkeypatch, block):
    monkeypatch.setattr(module, "_DISTANCES", block)
    values = np.random.default_rng(0).normal(size=(120, 5)).astype(np.float32) + 40  # far from the origin
    rows, squares = nearest_neighbours(values, 6)
    expected_rows, expected_squares = by_definition(values.astype(np.float64), 6)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_allclose(squares, expected_squares, rtol=1e-12)


def test_identical_rows_are_at_distance_zero():
    _, squares = nearest_neighbours(np.random.default_rng(1).normal(size=(30, 7))[[0] * 8 + list(range(30))], 3)
    assert (squares[:8] == 0).all()
    assert (squares[9:] > 0).all()


@pytest.mark.parametrize("n_neighbours", [1, 4, 30])
def test_of_equally_near_rows_the_first_come_in(n_neighbours):
    rng = np.random.default_rng(2)
    copies = rng.normal(size=(20, 33)).astype(np.float32)[rng.integers(0, 20, 500)] + np.float32(3)
    grid = rng.integers(0, 3, (500, 3)).astype(np.float32)
    for values in (copies, grid):
        expected, _ = by_definition(values.astype(np.float64), n_neighbours)
        np.testing.assert_array_equal(nearest_neighbours(values, n_neighbours)[0], expected)


@pytest.mark.parametrize(("n_rows", "n_given"), [(1, 0), (2, 1), (4, 3), (9, 5)])
def test_fewer_rows_give_fewer_neighbours(n_rows, n_given):
    rows, squares = nearest_neighbours(np.arange(n_rows, dtype=float)[:, None], 5)
    assert rows.shape == squares.shape == (n_rows, n_given)


def test_no_neighbours_are_refused():
    with pytest.raises(ValueError, match="n_neighbours >= 1, got .* and 0"):
        nearest_neighbours(np.zeros((3, 2)), 0)
