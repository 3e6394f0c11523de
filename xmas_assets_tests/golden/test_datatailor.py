"""Ours against the published DataTailor code's own answers (``golden/data``, or other vectors made the same way)."""

import numpy as np
import pytest

from xmas_assets.core.allocation import group_heads
from xmas_assets.core.relations import centroid_affinity, group_means, uniqueness
from xmas_assets.core.token_scores import spectrum_of
from xmas_assets.core.ward import pair_distances, ward_labels
from xmas_assets.selection.methods.datatailor import DataTailor, published_shares
from xmas_assets_tests.golden.vectors import load

TOKENS = load("datatailor_informativeness.npz")[1]
PARAMETERS, DATA = load("datatailor_select.npz")
N_ROWS = len(DATA["features"])
TASKS = [np.arange(start, end + 1) for start, end in zip(DATA["task_start"], DATA["task_end"], strict=True)]
TASK_OF_ROW = np.full(N_ROWS, -1)
for number, task_rows in enumerate(TASKS):
    TASK_OF_ROW[task_rows] = number
CASES = {f"sel{round(100 * case['ratio'])}": case for case in PARAMETERS["cases"]}
SERVED = [name for name, case in CASES.items() if case["n"] > 0]


@pytest.mark.parametrize("sample", range(len(TOKENS["lengths"])))
def test_entropy_and_leading_share_of_the_tokens_are_the_published_ones(sample):
    tokens = TOKENS["hidden"][sample, : TOKENS["lengths"][sample]].astype(np.float32)
    spectrum = spectrum_of(np.linalg.svd(tokens, compute_uv=False))
    np.testing.assert_allclose(spectrum.entropy, TOKENS["informativeness"][sample], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(spectrum.leading_share, TOKENS["tau"][sample], rtol=1e-4)
    np.testing.assert_array_equal(tokens[-1], TOKENS["feature"][sample])


@pytest.mark.parametrize("task", range(len(TASKS)))
def test_ward_clusters_are_the_published_ones(task):
    features, published = DATA["features"][TASKS[task]], DATA["labels"][TASKS[task]]
    labels = ward_labels(features, cut_share=PARAMETERS["threshold_factor"])
    np.testing.assert_array_equal(labels + published.min(), published)
    assert pair_distances(features).max() <= DATA["zmax"][task] * (1 + 1e-9)


def test_uniqueness_is_the_published_one_and_undefined_where_that_is():
    values = uniqueness(DATA["features"], DATA["labels"] - 1, DATA["informativeness"])
    np.testing.assert_allclose(values, DATA["uniqueness"], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(values, DATA["uniqueness_f64"], rtol=1e-9)
    assert np.isnan(values).sum() == PARAMETERS["singleton_clusters"]


@pytest.mark.parametrize("task", range(len(TASKS)))
def test_representativeness_is_the_published_one(task):
    rows = TASKS[task]
    labels = DATA["labels"][rows] - DATA["labels"][rows].min()
    affinity = centroid_affinity(group_means(DATA["features"][rows], labels))
    values = affinity[labels] * DATA["informativeness"][rows]
    np.testing.assert_allclose(values, DATA["representativeness"][rows], rtol=1e-5)


def test_scores_are_the_published_ones():
    np.testing.assert_allclose(_prepared()["scores"], DATA["score"], rtol=0, atol=2e-7)


@pytest.mark.parametrize("name", SERVED)
def test_reference_selects_what_the_published_code_selects(name):
    prepared, case = _prepared(), CASES[name]
    shares = published_shares(prepared["weights"], case["ratio"] * N_ROWS)
    np.testing.assert_array_equal(shares, np.array(case["per_task_real"]).astype(int))
    rows = prepared["ranked_rows"][group_heads(prepared["sizes"], shares)]
    if f"{name}_order" in DATA:
        np.testing.assert_array_equal(rows, DATA[f"{name}_order"])
    np.testing.assert_array_equal(np.sort(rows), DATA[name])


@pytest.mark.parametrize("name", SERVED)
def test_the_published_selection_is_short_and_reference_fills_it_up(name):
    """The budget is rounded down as a whole, so a task may have a row less than with the published real ratio."""
    case, budget = CASES[name], int(CASES[name]["ratio"] * N_ROWS)
    rows = DataTailor(variant="reference").select(_signals(), budget, 0)
    assert len(rows) == budget
    assert len(set(DATA[name].tolist()) - set(rows.tolist())) <= len(TASKS)
    assert case["n"] <= budget


@pytest.mark.parametrize("variant", ["default", "reference"])
def test_where_the_published_code_crashes_ours_returns_every_row(variant):
    assert [case["error"][:10] for case in CASES.values() if case["ratio"] == 1] == ["IndexError"]
    assert len(DataTailor(variant=variant).select(_signals(), N_ROWS - 1, 0)) == N_ROWS - 1


def _signals() -> dict[str, np.ndarray]:
    return {
        "sample_ids": np.array([f"{row:06d}" for row in range(N_ROWS)]),
        "task": np.array([f"{task:03d}" for task in TASK_OF_ROW], dtype=object),
        "n_turns": DATA["conv_len"] // 2,
        "informativeness": DATA["informativeness"],
        "leading_share": DATA["tau"],
        "last_token_features": DATA["features"],
    }


def _prepared() -> dict[str, np.ndarray]:
    return DataTailor(variant="reference", cut_share=PARAMETERS["threshold_factor"]).prepare(_signals())
