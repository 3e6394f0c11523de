import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmas_assets.core import mmd
from xmas_assets.core.mmd import gaussian_kernels, greedy_mmd_orders, mmd_ranks


def squared_mmd(kernel, chosen):
    """Of the chosen rows to all, term by term."""
    inside = kernel[np.ix_(chosen, chosen)]
    return kernel.mean() + inside.mean() - 2 * kernel[chosen].mean()


def greedy_by_definition(kernel):
    chosen = []
    for _ in kernel:
        left = [row for row in range(len(kernel)) if row not in chosen]
        chosen.append(min(left, key=lambda row: round(squared_mmd(kernel, [*chosen, row]), 12)))
    return chosen


def test_the_row_between_the_others_comes_first():
    """Row sums 1.6, 1.6, 2.0: row 2 first. Then rows 0 and 1 lose equally: 0 before 1."""
    kernel = np.array([[1, 0.1, 0.5], [0.1, 1, 0.5], [0.5, 0.5, 1]])
    assert greedy_mmd_orders(kernel[None], np.array([3])).tolist() == [[2, 0, 1]]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(0, 10_000))
def test_every_step_lowers_the_discrepancy_most(n_rows, seed):
    points = np.random.default_rng(seed).normal(size=(1, n_rows, 2))
    kernels = gaussian_kernels(points, bandwidth=1.0)
    assert greedy_mmd_orders(kernels, np.array([n_rows]))[0].tolist() == greedy_by_definition(kernels[0])


def test_clusters_of_different_sizes_side_by_side_come_out_as_alone():
    rng = np.random.default_rng(0)
    sizes = np.array([7, 3, 1])
    alone = [gaussian_kernels(rng.normal(size=(1, size, 4)), bandwidth=1.0) for size in sizes]
    together = np.zeros((3, 7, 7))
    for cluster, kernels in enumerate(alone):
        together[cluster, : sizes[cluster], : sizes[cluster]] = kernels[0]
    orders = greedy_mmd_orders(together, sizes)
    for cluster, kernels in enumerate(alone):
        expected = greedy_mmd_orders(kernels, sizes[cluster : cluster + 1])[0]
        np.testing.assert_array_equal(orders[cluster, : sizes[cluster]], expected)


def test_the_kernel_is_one_for_equal_rows_and_falls_with_the_squared_distance():
    """Distance 2, bandwidth 0.5: exp(-4 / 0.5) = exp(-8)."""
    kernel = gaussian_kernels(np.array([[[1.0], [3.0], [1.0]]]), bandwidth=0.5)[0]
    far = np.exp(-8)
    np.testing.assert_allclose(kernel, [[1, far, 1], [far, 1, far], [1, far, 1]], rtol=1e-12)


def test_ranks_and_densities_are_those_of_each_cluster_in_any_batch(monkeypatch):
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.repeat(np.arange(5), [1, 2, 30, 6, 6]))
    values = rng.normal(size=(45, 3))
    ranks, density = mmd_ranks(values, labels, bandwidth=1.0)
    for cluster in range(5):
        rows = np.flatnonzero(labels == cluster)
        kernels = gaussian_kernels(values[rows][None], bandwidth=1.0)
        order = greedy_mmd_orders(kernels, np.array([len(rows)]))[0]
        np.testing.assert_array_equal(ranks[rows[order]], np.arange(len(rows)))
        np.testing.assert_allclose(density[cluster], kernels.mean(), rtol=1e-12)
    monkeypatch.setattr(mmd, "_BATCH", 1)
    np.testing.assert_array_equal(mmd_ranks(values, labels, bandwidth=1.0)[0], ranks)


def test_a_cluster_too_large_is_dealt_out_in_parts_that_take_turns(monkeypatch):
    """Nine rows, four at most: parts of rows 0 3 6, 1 4 7 and 2 5 8, whose first rows have ranks 0, 1 and 2."""
    monkeypatch.setattr(mmd, "LARGEST_PART", 4)
    values = np.random.default_rng(1).normal(size=(9, 2))
    ranks, _ = mmd_ranks(values, np.zeros(9, dtype=np.int64), bandwidth=1.0)
    for part in range(3):
        order = greedy_mmd_orders(gaussian_kernels(values[part::3][None], bandwidth=1.0), np.array([3]))[0]
        np.testing.assert_array_equal(ranks[part::3][order], [part, part + 3, part + 6])


@pytest.mark.parametrize("n_rows", [1, 40])
def test_identical_rows_have_density_one_and_keep_their_order(n_rows):
    ranks, density = mmd_ranks(np.full((n_rows, 2), 0.5), np.zeros(n_rows, dtype=np.int64), bandwidth=1.0)
    assert sorted(ranks.tolist()) == list(range(n_rows))
    assert density.tolist() == [1.0]
