import numpy as np
import pytest
from scipy.spatial.distance import cdist

import xmas_assets.core.relations as relations
from xmas_assets.core.relations import centroid_affinity, group_means, uniqueness


@pytest.fixture(params=[2048, 7])
def tile(request, monkeypatch):
    """Also with tiles far smaller than the clusters."""
    monkeypatch.setattr(relations, "_TILE", request.param)


def test_uniqueness_is_its_formula(tile):
    rng = np.random.default_rng(0)
    features, clusters, weights = rng.normal(size=(40, 3)), rng.integers(0, 2, 40), rng.random(40)
    values = uniqueness(features, clusters, weights)
    for cluster in range(2):
        rows = clusters == cluster
        distances = cdist(features[rows], features[rows])
        expected = distances @ weights[rows] / (distances.sum() / rows.sum())
        np.testing.assert_allclose(values[rows], expected, rtol=1e-9)


def test_an_even_cluster_has_the_uniqueness_of_its_weight():
    """Three corners of an equilateral triangle, weight 5 each: 2 d 5 / (6 d / 3) = 5."""
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])
    np.testing.assert_allclose(uniqueness(corners, np.zeros(3, dtype=int), np.full(3, 5.0)), 5)


def test_uniqueness_is_undefined_in_clusters_without_distance(tile):
    features = np.array([[0.1, 0.3]] * 9 + [[1.0, 2.0]], dtype=np.float32)
    assert np.isnan(uniqueness(features, np.array([0] * 9 + [1]), np.ones(10))).all()


def test_affinity_is_the_mean_exponential_of_the_cosines_with_the_others(tile):
    """Centroids (1, 0), (2, 0), (0, 1): cosines 1, 0, 0, so (e + 1) / 2 twice and (1 + 1) / 2."""
    affinity = centroid_affinity(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(affinity, [(np.e + 1) / 2, (np.e + 1) / 2, 1])


def test_a_zero_centroid_counts_as_orthogonal():
    np.testing.assert_allclose(centroid_affinity(np.array([[0.0, 0.0], [2.0, 0.0]])), [1, 1])


def test_means_of_half_precision_rows_do_not_overflow(tile):
    rows = np.full((60, 2), 60000, dtype=np.float16)
    np.testing.assert_array_equal(group_means(rows, np.repeat([0, 1], 30)), np.float64(rows[:2]))
