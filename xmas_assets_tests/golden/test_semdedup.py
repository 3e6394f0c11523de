"""Ours against the published SemDeDup code's own answers (``golden/data``, or other vectors made the same way)."""

import numpy as np
import pytest

from xmas_assets.selection.methods.semdedup import SemDeDup
from xmas_assets_tests.golden.vectors import load

PARAMETERS, ARRAYS = load("semdedup.npz")
CASES = {f"{case['case']}_{case['target']}": case for case in PARAMETERS["cases"]}
ORDERS = sorted({case["case"] for case in PARAMETERS["cases"]})
LABELS = ARRAYS["labels"].astype(np.int64)


def reference(order):
    """The method, and what it prepares from the published clusters; ``l2k`` ones have centroids of any length."""
    method = SemDeDup(variant="reference", keep=order[:4], epsilons=tuple(PARAMETERS["eps_list"]))
    if order.endswith("sph"):
        cosines = ARRAYS["ip"]
    else:
        own = ARRAYS["centroids"][LABELS].astype(np.float64)
        cosines = (ARRAYS["x"] * own).sum(axis=1) / np.linalg.norm(own, axis=1)
    return method, method.compare_rows(ARRAYS["x"], LABELS, 1 - cosines)


@pytest.mark.parametrize("order", ORDERS)
def test_rows_come_in_the_published_order(order):
    """With easy rows to be kept the published file is in the opposite order, and is then read backwards."""
    _, prepared = reference(order)
    published = ARRAYS[f"{order}_sorted"]
    if order.startswith("easy"):
        published = np.concatenate([rows[::-1] for rows in _by_cluster(published)])
    np.testing.assert_array_equal(prepared["visited_rows"], published)


@pytest.mark.parametrize("order", ORDERS)
def test_the_rows_kept_at_every_epsilon_are_the_published_ones(order):
    _, prepared = reference(order)
    for epsilon, published in zip(PARAMETERS["eps_list"], ARRAYS[f"{order}_keep"], strict=True):
        np.testing.assert_array_equal(prepared["similarity"] <= 1 - epsilon, published)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case["error"]])
def test_reference_selects_what_the_published_code_selects(name):
    case = CASES[name]
    published = ARRAYS[f"{case['case']}_sel{round(100 * case['fraction'])}"]
    assert len(published) == case["target"]
    np.testing.assert_array_equal(_select(case), np.sort(published))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["error"]])
def test_where_the_published_code_stops_reference_cuts_the_smallest_set_to_the_budget(name):
    case = CASES[name]
    counts = ARRAYS[f"{case['case']}_keep"].sum(axis=1)
    smallest = ARRAYS[f"{case['case']}_keep"][np.where(counts >= case["target"], counts, counts.max() + 1).argmin()]
    rows = _select(case)
    assert len(rows) == case["target"]
    assert smallest[rows].all()


def _select(case):
    method, prepared = reference(case["case"])
    ids = np.array([f"{row:06d}" for row in range(len(LABELS))])
    return method.select({"sample_ids": ids}, case["target"], 0, prepared=prepared)


def _by_cluster(rows):
    return np.split(rows, np.flatnonzero(np.diff(LABELS[rows])) + 1)
