import numpy as np
import pytest

from xmas_assets.core.mmd import gaussian_kernels
from xmas_assets.core.similarity import unit_rows
from xmas_assets.selection.methods.coincide import (
    Coincide,
    _allocate_as_published,
    _distinct_text_cosines,
    _mean_cosines,
)

LABELS = np.array([0, 0, 1, 1])
FEATURES = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # one layer, width 1: an image and a text half
CENTROIDS = np.array([[1.0, 0.0], [0.6, 0.8]]).reshape(2, 1, 2, 1)


def choose(method, budget, features=FEATURES, labels=LABELS, centroids=CENTROIDS):
    prepared = method.describe_clusters(features, labels, centroids)
    ids = np.array([f"{row:03d}" for row in range(len(labels))])
    return method.select({"sample_ids": ids}, budget, 0, prepared=prepared).tolist()


def test_the_sparse_one_of_two_equally_transferable_clusters_gets_more():
    """S = 0.6 for both. D = 1 (two equal rows) and exp(-4 / 2) = 0.135, so with tau 1 the weights are e^0.6 and e^4.43:
    two rows both come from cluster 1, the third is the first of cluster 0.
    """
    assert choose(Coincide(temperature=1), 2) == [2, 3]
    assert choose(Coincide(temperature=1), 3) == [0, 2, 3]


def test_a_high_temperature_makes_the_shares_even():
    assert choose(Coincide(temperature=1000), 2) == [0, 2]


def test_density_is_over_pairs_and_a_row_alone_is_as_dense_as_the_others_on_average():
    """Cluster 2 is one row: (1 + 0.135) / 2 by default; 1 in ``reference``, where cluster 1 has (1 + 0.135) / 2."""
    features = np.concatenate([FEATURES, [[0.5, 0.5]]])
    labels, centroids = np.append(LABELS, 2), np.concatenate([CENTROIDS, CENTROIDS[:1]])
    kernel = np.exp(-2)
    ours = Coincide().describe_clusters(features, labels, centroids)["density"]
    np.testing.assert_allclose(ours, [1, kernel, (1 + kernel) / 2], rtol=1e-12)
    published = Coincide(variant="reference").describe_clusters(features, labels, centroids)["density"]
    np.testing.assert_allclose(published, [1, (1 + kernel) / 2, 1], rtol=1e-12)


def test_transferability_is_the_mean_cosine_to_the_other_centroids():
    """Angles 0, 60 and 90 degrees: cosines 0.5, 0 and 0.866."""
    angles = np.radians([0, 60, 90])
    centroids = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    root = np.sqrt(3) / 2
    np.testing.assert_allclose(_mean_cosines(centroids), [0.25, (0.5 + root) / 2, root / 2], atol=1e-12)


def test_reference_compares_text_halves_and_leaves_near_duplicates_out():
    """Text halves at 0, 10 and 60 degrees: cos 10 = 0.985 is left out, so 0.5, 0.643 and their mean; alone: 0."""
    angles = np.radians([0, 10, 60])
    text = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    centroids = np.stack([np.ones((3, 2)), text], axis=1)[:, None]
    near, far = np.cos(np.radians(50)), 0.5
    np.testing.assert_allclose(_distinct_text_cosines(centroids), [far, near, (far + near) / 2], atol=1e-12)
    assert _distinct_text_cosines(centroids[:1]).tolist() == [0.0]


def test_reference_hands_on_what_the_published_code_loses():
    """Equal scores, so cluster 1 is served first: round(4 / 2) = 2 of its five rows; cluster 0 is to give the other 2
    but has 1. The published code stops at 3; here cluster 1 gives one more.
    """
    sizes, ones = np.array([1, 5]), np.ones(2)
    assert _allocate_as_published(sizes, ones, 4).tolist() == [1, 2]
    prepared = {"ranked_rows": np.arange(6), "sizes": sizes, "transferability": ones, "density": ones}
    rows = Coincide(variant="reference").select({"sample_ids": np.array(list("abcdef"))}, 4, 0, prepared=prepared)
    assert rows.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("variant", ["default", "reference"])
def test_rows_of_a_cluster_represent_it_better_than_random_ones(variant):
    """Of one cluster of 60 rows, 12: the discrepancy to the whole lies below that of every one of 50 random draws."""
    rng = np.random.default_rng(0)
    features = unit_rows(rng.normal(size=(60, 6)) + 1)
    chosen = choose(Coincide(variant=variant), 12, features, np.zeros(60, dtype=int), features[:1].reshape(1, 1, 2, 3))
    kernel = gaussian_kernels(features[None], bandwidth=1.0)[0]

    def discrepancy(rows):
        return kernel.mean() + kernel[np.ix_(rows, rows)].mean() - 2 * kernel[rows].mean()

    assert discrepancy(chosen) < min(discrepancy(rng.permutation(60)[:12]) for _ in range(50))
