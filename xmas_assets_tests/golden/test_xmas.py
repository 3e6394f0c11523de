"""Ours against the published XMAS code's own answers (``golden/data``, or other vectors made the same way)."""

import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.core.allocation import allocate_in_size_order
from xmas_assets.core.clustering import kmeans
from xmas_assets.core.trajectories import instability, leading_sums
from xmas_assets.selection.methods.xmas import Xmas
from xmas_assets_tests.golden.vectors import load

TRAJECTORY_PARAMETERS, TRAJECTORY = load("xmas_trajectory.npz")
SAMPLING_PARAMETERS, SAMPLING = load("xmas_sampling.npz")
CASES = {case["case"]: case for case in SAMPLING_PARAMETERS["cases"]}
SERVED = [name for name, case in CASES.items() if not case["error"] and case["budget"] > 0]


@pytest.mark.parametrize("k", TRAJECTORY_PARAMETERS["top_k"])
def test_trajectories_are_the_published_sums_bit_for_bit(k):
    sums = leading_sums(TRAJECTORY["sv"], k)
    np.testing.assert_array_equal(np.nan_to_num(sums), TRAJECTORY[f"traj_k{k}"], strict=True)


@pytest.mark.parametrize("k", TRAJECTORY_PARAMETERS["top_k"])
def test_instability_is_the_published_one_bit_for_bit_and_nan_stays_nan(k):
    moves = instability(leading_sums(TRAJECTORY["sv"], k))
    assert moves.dtype == np.float32
    np.testing.assert_array_equal(moves.astype(np.float64), TRAJECTORY[f"instability_k{k}"])


@pytest.mark.parametrize("k", [k for k in TRAJECTORY_PARAMETERS["top_k"] if f"labels_k{k}" in TRAJECTORY])
def test_kmeans_from_the_same_centroids_gives_the_published_labels(k):
    labels, centroids = kmeans(
        TRAJECTORY[f"traj_k{k}"],
        TRAJECTORY_PARAMETERS["k_clusters"],
        seed=0,
        max_iterations=TRAJECTORY_PARAMETERS["niter"],
        initial=TRAJECTORY["init_centroids"],
    )
    np.testing.assert_array_equal(labels, TRAJECTORY[f"labels_k{k}"])
    np.testing.assert_allclose(centroids, TRAJECTORY[f"centroids_k{k}"], rtol=1e-4)


@pytest.mark.parametrize("name", SERVED)
def test_quotas_are_the_published_ones_up_to_the_size_of_the_cluster(name):
    case, order = CASES[name], SAMPLING[f"{name}_order"]
    sizes = np.bincount(_strata(name))
    served = min(case["budget"], int(sizes[order].sum()))
    quotas = allocate_in_size_order(sizes, served, order=order)
    np.testing.assert_array_equal(quotas[order], np.minimum(SAMPLING[f"{name}_quota"], sizes[order]))


@pytest.mark.parametrize("name", SERVED)
def test_reference_selects_what_the_published_code_selects(name, monkeypatch):
    order = SAMPLING[f"{name}_order"]
    # The published order of clusters of equal size depends on the platform, so it is part of the vectors.
    monkeypatch.setattr(Xmas, "_serving_order", lambda self, sizes: order.astype(np.int64))
    numbers = _reference(name, CASES[name]["budget"])
    published = SAMPLING[f"{name}_selected"]
    assert len(numbers) == CASES[name]["budget"]
    if len(published) == CASES[name]["budget"]:
        assert sorted(published.tolist()) == numbers
    else:  # the published code came short; ours adds to what it chose
        assert set(published.tolist()) < set(numbers)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["error"]])
def test_where_the_published_code_crashes_reference_returns_the_whole_budget(name):
    numbers = _reference(name, CASES[name]["budget"])
    assert len(numbers) == len(set(numbers)) == CASES[name]["budget"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["budget"] == 0])
def test_where_the_published_code_selects_nothing_ours_refuses(name):
    assert len(SAMPLING[f"{name}_selected"]) == 0
    with pytest.raises(SelectionError, match="budget of 0 rows is out of range"):
        _reference(name, 0)


def _strata(name: str) -> np.ndarray:
    labels = SAMPLING[f"{name}_labels"]
    return np.concatenate([labels, np.full(CASES[name]["n_text"], labels.max() + 1)])


def _reference(name: str, budget: int) -> list[int]:
    """Selected sample numbers, ascending: images first, then the text-only samples in annotation order."""
    case = CASES[name]
    n_image, n_text = case["n_image"], case["n_text"]
    signals = {
        "sample_ids": np.array([f"{row:09d}" for row in range(n_image + n_text)]),
        "cluster_label": np.concatenate([SAMPLING[f"{name}_labels"], np.full(n_text, -1)]),
        "instability": np.concatenate([SAMPLING[f"{name}_instability"], np.full(n_text, np.nan)]),
    }
    rows = Xmas(variant="reference").select(signals, budget, case["random_seed"])
    numbers = np.concatenate([np.arange(n_image), SAMPLING[f"{name}_text_order"]])
    return sorted(numbers[rows].tolist())
