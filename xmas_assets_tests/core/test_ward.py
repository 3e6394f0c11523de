import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from xmas_assets.core.ward import _weighted_merges, pair_distances, ward_labels


def blobs(n_rows, n_blobs, *, seed, width=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_blobs, width))[rng.integers(0, n_blobs, n_rows)] * 5 + rng.normal(size=(n_rows, width))


@pytest.mark.parametrize("n_rows", [2, 3, 600])
def test_distances_are_those_of_scipy_across_tiles(n_rows):
    rows = blobs(n_rows, 3, seed=1)
    np.testing.assert_allclose(pair_distances(rows), pdist(rows), rtol=1e-9)


@pytest.mark.parametrize("cut_share", [0.0, 0.1, 0.5, 1.0])
def test_clusters_are_those_of_scipys_own_ward(cut_share):
    rows = blobs(120, 6, seed=2)
    merges = linkage(rows, "ward")
    expected = fcluster(merges, cut_share * merges[-1, 2], criterion="distance")
    assert adjusted_rand_score(ward_labels(rows, cut_share=cut_share), expected) == 1


def test_one_row_is_one_cluster_and_so_are_equal_rows():
    assert ward_labels(np.ones((1, 3))).tolist() == [0]
    assert ward_labels(np.full((50, 3), 0.1, dtype=np.float32)).tolist() == [0] * 50
    assert ward_labels(np.full((50, 3), 0.1, dtype=np.float32), exact_rows=8).tolist() == [0] * 50


def test_weighted_merges_of_single_rows_have_wards_heights():
    rows = blobs(60, 5, seed=3)
    heights = _weighted_merges(rows, np.ones(60, dtype=np.int64))[1]
    np.testing.assert_allclose(np.sort(heights), linkage(rows, "ward")[:, 2], rtol=1e-9)


def test_weights_stand_for_copies_of_a_row():
    """Copies merge at height 0, so the heights above 0 of the copied rows are those of the weighted ones."""
    rng = np.random.default_rng(4)
    rows, copies = rng.normal(size=(20, 3)), rng.integers(1, 5, 20)
    expected = linkage(np.repeat(rows, copies, axis=0), "ward")[:, 2]
    heights = np.sort(_weighted_merges(rows, copies)[1])
    np.testing.assert_allclose(heights, np.sort(expected)[-19:], rtol=1e-9)


def test_by_parts_the_clusters_are_nearly_the_exact_ones():
    """1,500 rows in 12 groups, whose tree is cut between groups: parts of 125 rows see a twelfth of it each."""
    rows = blobs(1500, 12, seed=5, width=8)
    exact, parts = ward_labels(rows), ward_labels(rows, exact_rows=250)
    assert adjusted_rand_score(exact, parts) > 0.95
    np.testing.assert_array_equal(np.unique(parts), np.arange(parts.max() + 1))


def test_by_parts_a_cut_below_the_small_clusters_is_found_too():
    """Rows with no groups in 200 dimensions are all about as far apart: Ward's cut leaves every one alone."""
    rows = np.random.default_rng(6).normal(size=(100, 200))
    assert len(np.unique(ward_labels(rows))) == len(np.unique(ward_labels(rows, exact_rows=30))) == 100
