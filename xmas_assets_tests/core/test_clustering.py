import numpy as np
import pytest

from xmas_assets.core import clustering
from xmas_assets.core.clustering import default_n_clusters, fine_n_clusters, kmeans, spherical_kmeans


def test_the_default_number_of_clusters_follows_the_square_root():
    """sqrt(1.5 * 665298) = 998.97; sqrt(1.5 * 600) = 30; never more clusters than samples."""
    assert [default_n_clusters(n) for n in (665_298, 600, 2, 1)] == [999, 30, 2, 1]


def test_well_separated_groups_are_found():
    """Groups around 0 and 100; centroids are their means, in ascending order."""
    values = np.array([[0.0], [100.0], [1.0], [101.0], [2.0]])
    labels, centroids = kmeans(values, 2, seed=3)
    assert labels.tolist() == [0, 1, 0, 1, 0]
    assert centroids.tolist() == [[1.0], [100.5]]


def test_duplicates_weigh_as_often_as_they_occur():
    """Centroid of 0, 0, 0, 4 is 1."""
    _, centroids = kmeans(np.array([[0.0], [0.0], [0.0], [4.0]]), 1, seed=0)
    assert centroids.tolist() == [[1.0]]


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(5)
    values = rng.integers(0, 12, (400, 3)).astype(np.float32)
    shuffled = rng.permutation(400)
    labels, centroids = kmeans(values, 20, seed=1)
    again, same = kmeans(values[shuffled], 20, seed=1)
    np.testing.assert_array_equal(again, labels[shuffled])
    np.testing.assert_array_equal(same, centroids)


def test_the_same_seed_gives_the_same_bytes():
    values = np.random.default_rng(2).normal(size=(500, 7)).astype(np.float32)
    first, second = kmeans(values, 15, seed=4), kmeans(values, 15, seed=4)
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()


def test_every_sample_lies_in_the_cluster_of_its_nearest_centroid():
    values = np.random.default_rng(7).normal(size=(300, 2))
    labels, centroids = kmeans(values, 12, seed=0, max_iterations=1000)
    distances = ((values[:, None] - centroids[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(labels, distances.argmin(axis=1))


@pytest.mark.parametrize("n_clusters", [3, 4, 50])
def test_fewer_distinct_samples_than_clusters_give_one_cluster_each(n_clusters):
    values = np.array([[2.0, 0.0], [1.0, 5.0], [2.0, 0.0], [1.0, 4.0]])
    labels, centroids = kmeans(values, n_clusters, seed=0)
    assert labels.tolist() == [2, 1, 2, 0]
    assert centroids.tolist() == [[1.0, 4.0], [1.0, 5.0], [2.0, 0.0]]


@pytest.mark.parametrize("n_samples", [1, 40])
def test_identical_samples_are_one_cluster(n_samples):
    labels, centroids = kmeans(np.full((n_samples, 2), 3.0), 8, seed=0)
    assert labels.tolist() == [0] * n_samples
    assert centroids.tolist() == [[3.0, 3.0]]


def test_no_cluster_is_empty():
    """Two initial centroids far from every sample: whatever becomes of them, labels are 0..K-1 without a gap."""
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    labels, centroids = kmeans(values, 3, seed=0, initial=np.array([[1.5], [900.0], [901.0]]))
    assert sorted(set(labels.tolist())) == list(range(len(centroids)))


def test_given_centroids_keep_their_order():
    labels, centroids = kmeans(np.array([[0.0], [9.0]]), 2, seed=0, initial=np.array([[8.0], [1.0]]))
    assert labels.tolist() == [1, 0]
    assert centroids.tolist() == [[9.0], [0.0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_with_their_number(bad):
    values = np.zeros((5, 2))
    values[[1, 3], 0] = bad
    with pytest.raises(ValueError, match="2 of 5 samples have NaN or infinity"):
        kmeans(values, 2, seed=0)


def test_no_samples_and_no_clusters_are_refused():
    with pytest.raises(ValueError, match="n_samples >= 1"):
        kmeans(np.zeros((0, 2)), 2, seed=0)
    with pytest.raises(ValueError, match="must be >= 1, got 0"):
        kmeans(np.zeros((3, 2)), 0, seed=0)


def test_one_fine_cluster_stands_for_66_rows_and_a_half():
    """665298 / 66.5 = 10004.5, rounded to even; 133 / 66.5 = 2."""
    assert [fine_n_clusters(n) for n in (665_298, 133, 1)] == [10004, 2, 1]


def test_directions_group_whatever_their_length():
    """Along (1, 0): lengths 1 and 90; along (0, 1): lengths 2 and 0.1."""
    values = np.array([[1.0, 0.0], [0.0, 2.0], [90.0, 0.0], [0.0, 0.1]])
    labels, centroids = spherical_kmeans(values, 2, seed=0)
    assert labels[0] == labels[2] != labels[1] == labels[3]
    assert sorted(centroids.tolist()) == [[0.0, 1.0], [1.0, 0.0]]


def test_centroids_are_unit_means_and_every_sample_is_at_its_best_one(monkeypatch):
    values = np.random.default_rng(1).normal(size=(300, 5)).astype(np.float32)
    labels, centroids = spherical_kmeans(values, 9, seed=2, max_iterations=500)
    np.testing.assert_array_equal(labels, (values @ centroids.T).argmax(axis=1))
    for label, centroid in enumerate(centroids):
        total = values[labels == label].sum(axis=0)
        np.testing.assert_allclose(centroid, total / np.linalg.norm(total), atol=1e-5)
    monkeypatch.setattr(clustering, "_PRODUCTS", 50)
    np.testing.assert_array_equal(spherical_kmeans(values, 9, seed=2, max_iterations=500)[0], labels)


@pytest.mark.parametrize("n_samples", [1, 2, 30])
def test_identical_directions_are_one_cluster(n_samples):
    labels, centroids = spherical_kmeans(np.full((n_samples, 4), 2.0, dtype=np.float16), 8, seed=0)
    assert labels.tolist() == [0] * n_samples
    np.testing.assert_allclose(centroids, [[0.5, 0.5, 0.5, 0.5]])


def test_a_cluster_that_loses_all_its_samples_restarts_at_the_worst_fitting_one():
    """Second centroid points away from everything; it moves to the third sample, the farthest from the first."""
    values = np.array([[1.0, 0.0], [0.99, 0.1], [0.3, 0.9]])
    initial = np.array([[1.0, 0.2], [-1.0, -1.0]])
    labels, _ = spherical_kmeans(values, 2, seed=0, initial=initial)
    assert labels.tolist() == [0, 0, 1]


def test_directions_of_no_samples_and_no_clusters_are_refused():
    with pytest.raises(ValueError, match="n_samples >= 1"):
        spherical_kmeans(np.zeros((0, 2)), 2, seed=0)
    with pytest.raises(ValueError, match="must be >= 1, got 0"):
        spherical_kmeans(np.zeros((3, 2)), 0, seed=0)


def test_of_many_samples_a_share_is_trained_on_and_each_gets_its_nearest_centroid(monkeypatch):
    """Groups around 0, 50 and 100: found from 2 distinct samples per centroid, whatever the order of the rows."""
    monkeypatch.setattr(clustering, "_TRAINED_PER_CENTROID", 2)
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 600)
    values = (50 * groups[:, None] + rng.integers(-3, 4, (600, 2))).astype(np.float32)
    labels, centroids = kmeans(values, 12, seed=0)
    distances = ((values[:, None] - centroids[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(distances[np.arange(600), labels], distances.min(axis=1))
    shuffled = rng.permutation(600)
    again, same = kmeans(values[shuffled], 12, seed=0)
    np.testing.assert_array_equal(again, labels[shuffled])
    np.testing.assert_array_equal(same, centroids)


def test_what_is_trained_on_is_drawn_by_value_with_all_its_copies_and_by_the_seed():
    values = np.repeat(np.arange(1000.0), 3)[:, None]
    taken = values[clustering._training_rows(values, 100, seed=0), 0]
    numbers, copies = np.unique(taken, return_counts=True)
    assert (len(numbers), set(copies.tolist())) == (100, {3})
    assert 400 < numbers.mean() < 600  # standard error of a fair draw: 29
    assert not np.array_equal(taken, values[clustering._training_rows(values, 100, seed=1), 0])


def test_all_are_trained_on_where_distinct_samples_are_few():
    """2000 rows, but only two distinct ones: 0 and -0.0 are the same."""
    values = np.tile([[0.0], [-0.0], [1.0], [1.0]], (500, 1))
    assert clustering._training_rows(values, 2, seed=0) == slice(None)


def test_of_equal_centroids_the_first_gets_the_samples():
    """Fails on the product alone without AVX-512 (``make portable``), where columns at an edge round otherwise."""
    values = np.random.default_rng(6).normal(size=(700, 33)).astype(np.float32)
    labels, _, _ = clustering._assign(values, values[[5, 9, 5, 9, 5] * 20])
    assert set(labels.tolist()) == {0, 1}


def test_samples_far_from_the_origin_keep_their_digits():
    """Steps of 1 at 1e6, whose squares float32 cannot tell apart."""
    values = 1e6 + np.repeat(np.arange(4.0), 5)[:, None]
    labels, centroids = kmeans(values, 2, seed=0)
    assert centroids.ravel().tolist() in ([[1e6 + 0.5, 1e6 + 2.5], [1e6, 1e6 + 2], [1e6 + 1, 1e6 + 3]])
    np.testing.assert_array_equal(labels, np.abs(values - centroids.ravel()).argmin(axis=1))
