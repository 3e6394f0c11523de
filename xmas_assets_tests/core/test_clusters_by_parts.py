import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from xmas_assets.core import clusters_by_parts
from xmas_assets.core.clustering import spherical_kmeans
from xmas_assets.core.clusters_by_parts import cosines_to_own, spherical_clusters

GROUPS = np.repeat(np.arange(40), 25)


@pytest.fixture
def rows() -> np.ndarray:
    """40 directions far apart, 25 rows near each."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(40, 32))
    return (directions[GROUPS] + rng.normal(scale=0.05, size=(1000, 32))).astype(np.float32)


def test_up_to_the_limit_the_clusters_are_those_of_one_step(rows):
    labels, centroids = spherical_clusters(rows, 40, seed=3, exact_rows=1000)
    expected_labels, expected = spherical_kmeans(rows, 40, seed=3)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_array_equal(centroids, expected)


def test_beyond_it_no_group_of_like_directions_is_torn_by_the_borders_of_parts(rows):
    """No cluster may mix two groups where each part has clusters enough."""
    labels, centroids = spherical_clusters(rows, 300, seed=0, exact_rows=999)
    assert all(len(set(GROUPS[labels == label])) == 1 for label in np.unique(labels))
    assert len(centroids) == labels.max() + 1 == 300
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, rtol=1e-6)


def test_groups_are_found_about_as_well_as_in_one_step(rows):
    one = adjusted_rand_score(GROUPS, spherical_kmeans(rows, 40, seed=0)[0])
    assert adjusted_rand_score(GROUPS, spherical_clusters(rows, 40, seed=0, exact_rows=999)[0]) > one - 0.1


def test_no_part_is_larger_than_what_is_held_and_no_row_is_lost(rows, monkeypatch):
    held = []
    monkeypatch.setattr(clusters_by_parts, "_LARGEST_PART", 60)

    class Watched(np.ndarray):
        def __getitem__(self, wanted):
            found = np.asarray(self).__getitem__(wanted)
            held.append(len(found))
            return found

    monkeypatch.setattr(clusters_by_parts, "_BLOCK_ROWS", 50)
    monkeypatch.setattr(clusters_by_parts, "_TRAINED_PER_PART", 4)
    labels, centroids = spherical_clusters(rows.view(Watched), 100, seed=0, exact_rows=10)
    assert max(held) <= 60
    assert np.bincount(labels).min() > 0
    assert len(labels) == 1000
    assert len(centroids) == 100


def test_rows_of_one_direction_are_divided_too(monkeypatch):
    monkeypatch.setattr(clusters_by_parts, "_LARGEST_PART", 8)
    labels, centroids = spherical_clusters(np.full((50, 3), 2.0, dtype=np.float32), 5, seed=0, exact_rows=9)
    assert len(labels) == 50
    assert np.bincount(labels).min() > 0
    np.testing.assert_allclose(centroids, 1 / np.sqrt(3), rtol=1e-6)


def test_the_same_seed_gives_the_same_bytes(rows):
    first, second = (spherical_clusters(rows, 90, seed=5, exact_rows=100) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()


def test_the_cosine_to_the_own_centroid_is_that_of_each_row_alone(monkeypatch):
    monkeypatch.setattr(clusters_by_parts, "_BLOCK_ROWS", 2)
    directions = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    found = cosines_to_own(directions, np.array([0, 1, 0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(found, [1, 0.8, 0])
