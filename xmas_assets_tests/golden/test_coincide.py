"""Ours against the published COINCIDE code's own answers (``golden/data``, or other vectors made the same way)."""

import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.core.activations import activation_features
from xmas_assets.core.clustering import kmeans, spherical_kmeans
from xmas_assets.core.neighbours import nearest_neighbours
from xmas_assets.core.similarity import unit_rows
from xmas_assets.selection.methods.coincide import Coincide, _allocate_as_published
from xmas_assets_tests.golden.vectors import load

FEATURE_PARAMETERS, FEATURE = load("coincide_feature.npz")
KMEANS_PARAMETERS, KMEANS = load("coincide_kmeans.npz")
SELECT_PARAMETERS, SELECT = load("coincide_select.npz")
CASES = {case["case"]: case for case in SELECT_PARAMETERS["cases"]}
SERVED = [name for name, case in CASES.items() if case["budget"] > 0]
LABELS = SELECT["labels"].astype(np.int64)
N_ROWS = len(LABELS)


def reference(name):
    """The method with a case's parameters, and what it prepares from the published clusters."""
    case = CASES[name]
    method = Coincide(variant="reference", temperature=case["temp"], bandwidth=case["gamma"])
    shape = (-1, SELECT_PARAMETERS["layers"], 2, SELECT_PARAMETERS["hidden_half"])
    return method, method.describe_clusters(SELECT["embeddings"], LABELS, SELECT["centroids"].reshape(shape))


def test_features_are_the_published_ones_within_half_precision():
    outputs, lengths = FEATURE["o_proj_out"], FEATURE["language_length"]
    image_start = FEATURE_PARAMETERS["prompt_len"]
    text_start = image_start + FEATURE_PARAMETERS["vision_tokens"]
    image_means = outputs[:, :, image_start:text_start].mean(axis=2).transpose(1, 0, 2)
    text_means = np.zeros_like(image_means)
    for row in np.flatnonzero(lengths):
        text_means[row] = outputs[:, row, text_start : text_start + lengths[row]].mean(axis=1)
    ours = activation_features(image_means, text_means).reshape(len(lengths), -1)
    np.testing.assert_allclose(ours, FEATURE["embedding"], atol=5e-4, rtol=0)


def test_spherical_kmeans_from_the_same_centroids_gives_the_published_clusters():
    labels, centroids = spherical_kmeans(
        KMEANS["x"],
        KMEANS_PARAMETERS["k"],
        seed=0,
        max_iterations=KMEANS_PARAMETERS["niter"],
        initial=KMEANS["init_centroids"],
    )
    np.testing.assert_array_equal(labels, KMEANS["sph_labels"])
    np.testing.assert_allclose(centroids, KMEANS["sph_centroids"], atol=1e-5)
    np.testing.assert_allclose((KMEANS["x"] * centroids[labels]).sum(axis=1), KMEANS["sph_dist"], atol=1e-5)


def test_kmeans_from_the_same_centroids_gives_the_published_clusters():
    labels, centroids = kmeans(
        KMEANS["x"],
        KMEANS_PARAMETERS["k"],
        seed=0,
        max_iterations=KMEANS_PARAMETERS["niter"],
        initial=KMEANS["init_centroids"],
    )
    np.testing.assert_array_equal(labels, KMEANS["l2_labels"])
    np.testing.assert_allclose(centroids, KMEANS["l2_centroids"], atol=1e-5)
    np.testing.assert_allclose(np.square(KMEANS["x"] - centroids[labels]).sum(axis=1), KMEANS["l2_dist"], atol=1e-5)


def test_transferability_is_the_published_one():
    np.testing.assert_allclose(reference(SERVED[0])[1]["transferability"], SELECT["transferability"], atol=1e-5)


def test_the_nearest_clusters_are_the_published_ones():
    """The published list counts the cluster itself among its nearest; equally near ones come in any order."""
    shape = (len(SELECT["centroids"]), SELECT_PARAMETERS["layers"], 2, SELECT_PARAMETERS["hidden_half"])
    text = unit_rows(SELECT["centroids"].reshape(shape)[:, :, 1].reshape(shape[0], -1))
    neighbours, squares = nearest_neighbours(text, SELECT["knn_indices"].shape[1] - 1)
    with_itself = np.insert(neighbours, 0, np.arange(len(text)), axis=1)
    np.testing.assert_array_equal(np.sort(with_itself, axis=1), np.sort(SELECT["knn_indices"], axis=1))
    np.testing.assert_allclose(1 - squares / 2, SELECT["knn_similarity"][:, 1:], atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_densities_and_scores_are_the_published_ones(name):
    _, prepared = reference(name)
    np.testing.assert_allclose(prepared["density"], SELECT[f"{name}_density"], rtol=1e-9)
    np.testing.assert_allclose(
        prepared["transferability"] / prepared["density"], SELECT[f"{name}_score"], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", CASES)
def test_quotas_are_the_published_ones_up_to_the_size_of_the_cluster(name):
    order, sizes = SELECT[f"{name}_order"], np.bincount(LABELS)
    quotas = _allocate_as_published(sizes, SELECT[f"{name}_score"] / CASES[name]["temp"], CASES[name]["budget"])
    np.testing.assert_array_equal(quotas[order], np.minimum(SELECT[f"{name}_target"], sizes[order]))


@pytest.mark.parametrize("name", SERVED)
def test_reference_selects_what_the_published_code_selects(name):
    """Where rows of a cluster are identical, rounding decides between them there: so rows are compared by value."""
    method, prepared = reference(name)
    ids = np.array([f"{row:06d}" for row in range(N_ROWS)])
    signals = {"sample_ids": ids, "block_activations": SELECT["embeddings"]}
    rows = method.select(signals, CASES[name]["budget"], 0, prepared=prepared)
    published = SELECT[f"{name}_selected"]
    assert len(rows) == CASES[name]["budget"]
    ours, theirs = (sorted(map(bytes, SELECT["embeddings"][chosen])) for chosen in (rows, published))
    if len(published) == len(rows):
        assert ours == theirs
    else:  # the published code came short; ours adds to what it chose
        assert set(published.tolist()) < set(rows.tolist())


@pytest.mark.parametrize("name", [name for name in CASES if name not in SERVED])
def test_where_the_published_code_selects_nothing_ours_refuses(name):
    assert len(SELECT[f"{name}_selected"]) == 0
    method, prepared = reference(name)
    with pytest.raises(SelectionError, match="budget of 0 rows is out of range"):
        method.select({"sample_ids": np.arange(N_ROWS).astype(str)}, 0, 0, prepared=prepared)
