import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmas_assets.core import coverage
from xmas_assets.core.coverage import coverage_order, farthest_first, neighbourhoods, split_cells


def by_definition(values):
    """One row at a time, all distances measured anew."""
    order = [int(np.square(values - values.mean(axis=0)).sum(axis=1).argmin())]
    while len(order) < len(values):
        nearest = np.square(values[:, None] - values[None, order]).sum(axis=2).min(axis=1)
        nearest[order] = -1
        order.append(int(nearest.argmax()))
    return order


def radius(values, chosen):
    return np.sqrt(np.square(values[:, None] - values[None, chosen]).sum(axis=2).min(axis=1).max())


def test_the_farthest_row_is_always_next():
    """0 1 4 9, mean 3.5: 4 first, then 9 (5 away), 0 (4 away), 1 (1 away)."""
    order, distances = farthest_first(np.array([[0.0], [1.0], [4.0], [9.0]]))
    assert order.tolist() == [2, 3, 0, 1]
    assert distances.tolist() == [np.inf, 5.0, 4.0, 1.0]


@pytest.mark.parametrize("n_candidates", [1, 3, 17, 512])
def test_steps_among_candidates_are_those_over_all_rows(monkeypatch, n_candidates):
    monkeypatch.setattr(coverage, "_CANDIDATES", n_candidates)
    monkeypatch.setattr(coverage, "_DISTANCES", 50)
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=(90, 4)), rng.integers(0, 3, (90, 3)).astype(float)):  # the second is full of ties
        assert farthest_first(values)[0].tolist() == by_definition(values)


def test_a_shorter_traversal_is_the_beginning_of_a_longer_one():
    values = np.random.default_rng(1).normal(size=(60, 5))
    whole, distances = farthest_first(values)
    for count in (1, 7, 59):
        order, reached = farthest_first(values, count)
        np.testing.assert_array_equal(order, whole[:count])
        np.testing.assert_array_equal(reached, distances[:count])


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.data())
def test_the_rows_left_out_are_at_most_twice_as_far_as_with_any_other_choice(n_rows, data):
    values = np.random.default_rng(data.draw(st.integers(0, 999))).normal(size=(n_rows, 2))
    count = data.draw(st.integers(1, n_rows))
    other = data.draw(st.permutations(range(n_rows)))[:count]
    assert radius(values, farthest_first(values, count)[0]) <= 2 * radius(values, other) * (1 + 1e-5)


def test_one_cell_is_the_exact_order():
    values = np.random.default_rng(2).normal(size=(50, 3))
    np.testing.assert_array_equal(coverage_order(values, cell_rows=50), farthest_first(values)[0])


@pytest.mark.parametrize("n_rows", [1, 2, 37, 100])
def test_every_row_comes_once_whatever_the_cells(n_rows):
    values = np.random.default_rng(3).normal(size=(n_rows, 3)).astype(np.float16)
    for cell_rows in (2, 5, 64):
        assert sorted(coverage_order(values, cell_rows=cell_rows).tolist()) == list(range(n_rows))


def test_identical_rows_are_ordered_in_any_number_of_cells():
    assert sorted(coverage_order(np.ones((40, 3)), cell_rows=6).tolist()) == list(range(40))


@pytest.mark.parametrize("cell_rows", [7, 100])
def test_copies_come_last_in_their_order(cell_rows):
    distinct = np.random.default_rng(5).normal(size=(20, 9)).astype(np.float32)
    order = coverage_order(np.concatenate([distinct, distinct[::-1], distinct]), cell_rows=cell_rows)
    assert sorted(order[:20].tolist()) == list(range(20))
    assert order[20:].tolist() == list(range(20, 60))


def test_separate_groups_are_each_covered_before_any_is_covered_twice():
    """Eight groups of 20 near-duplicates: the first eight rows are one of each; two cells may share one group."""
    rng = np.random.default_rng(4)
    group = rng.permutation(np.repeat(np.arange(8), 20))
    values = rng.normal(size=(8, 5))[group] + 0.001 * rng.normal(size=(160, 5))
    assert len(set(group[farthest_first(values, 8)[0]])) == 8
    assert len(set(group[coverage_order(values, cell_rows=80)[:9]])) == 8


def test_cells_are_halves_across_the_widest_direction():
    """Ten rows wide in the second feature: 0-4 below, 5-9 above, then halves of those by the same feature."""
    values = np.stack([np.tile([0.1, -0.1], 5), np.arange(10.0)], axis=1)
    assert sorted(cell.tolist() for cell in split_cells(values, 5)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert sorted(len(cell) for cell in split_cells(values, 3)) == [2, 2, 3, 3]


def test_no_rows_and_cells_of_one_row_are_refused():
    with pytest.raises(ValueError, match="need a row"):
        coverage_order(np.zeros((0, 2)), cell_rows=5)
    with pytest.raises(ValueError, match="cell_rows >= 2; got .* and 1"):
        coverage_order(np.zeros((3, 2)), cell_rows=1)


def test_neighbourhoods_have_a_middle_row_within_the_radius_and_middles_lie_farther_apart():
    values = np.random.default_rng(3).normal(size=(300, 3))
    distances = np.sqrt(np.square(values[:, None] - values[None]).sum(axis=2))
    for cell_rows in (300, 100):
        labels = neighbourhoods(values, 0.8, cell_rows=cell_rows)
        for label in range(labels.max() + 1):
            rows = np.flatnonzero(labels == label)
            assert distances[np.ix_(rows, rows)].max(axis=1).min() <= 0.8
    middles = []
    for row in by_definition(values):
        if not middles or distances[row, middles].min() > 0.8:
            middles.append(row)
    nearest = distances[:, middles].argmin(axis=1)
    np.testing.assert_array_equal(neighbourhoods(values, 0.8, cell_rows=300), nearest)
    assert len(np.unique(neighbourhoods(values, 0.0, cell_rows=300))) == 300
    assert set(neighbourhoods(values, 100.0, cell_rows=300)) == {0}


def test_neighbourhoods_worked_by_hand():
    """0 .1 4 4.2 9, mean 3.46: 4 is first, 9 lies 5 away, 0 lies 4 away; the others nearer than 1."""
    values = np.array([[0.0], [0.1], [4.0], [4.2], [9.0]])
    assert neighbourhoods(values, 1.0, cell_rows=10).tolist() == [2, 2, 0, 0, 1]
