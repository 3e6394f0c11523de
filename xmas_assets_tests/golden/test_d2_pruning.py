"""Ours against the published D2-Pruning code's own answers (``golden/data``, or other vectors made the same way)."""

import re

import numpy as np
import pytest

from xmas_assets.core import graph_pruning
from xmas_assets.core.graph_pruning import SCORE_FLOOR, directed_graph, greedy_order, mutual_graph, spread_scores
from xmas_assets.core.neighbours import nearest_neighbours
from xmas_assets.selection.methods.d2_pruning import D2Pruning
from xmas_assets_tests.golden.vectors import load

PARAMETERS, ARRAYS = load("d2_pruning.npz")
CASES = {case["name"]: case for case in PARAMETERS["cases"]}
N_NEIGHBOURS = sorted({int(name[1]) for name in CASES})
N_ROWS = len(ARRAYS["scores"])
EXACT_NEIGHBOURS = 5  # of compute_graph_density, as the manifest tells in words


@pytest.mark.parametrize("k", N_NEIGHBOURS)
def test_neighbours_are_the_published_ones(k):
    neighbours, squares = nearest_neighbours(ARRAYS["embeddings"], k)
    np.testing.assert_array_equal(neighbours, ARRAYS[f"k{k}_neighbors"])
    np.testing.assert_allclose(squares, ARRAYS[f"k{k}_dist"], atol=1e-5)


@pytest.mark.parametrize("k", N_NEIGHBOURS)
def test_first_scores_are_the_published_ones(k):
    graph = directed_graph(*nearest_neighbours(ARRAYS["embeddings"], k))
    spread = spread_scores(graph, np.maximum(ARRAYS["scores"], SCORE_FLOOR), gamma=1.0)
    np.testing.assert_allclose(spread, ARRAYS[f"k{k}_graph"], rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["n"]])
def test_reference_selects_what_the_published_code_selects(name, monkeypatch):
    """The published queue comes from an unstable sort, whose ties come in another order on another processor.

    So rows of exactly equal first score are queued here as the published answer has them; then ours must be the same.
    """
    published = ARRAYS[name]
    places = np.full(N_ROWS, N_ROWS)
    places[published] = np.arange(len(published))
    monkeypatch.setattr(graph_pruning, "_falling", lambda scores: np.lexsort((places, -scores)))
    np.testing.assert_array_equal(_reference(CASES[name], CASES[name]["n"]), np.sort(published))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["error"]])
def test_where_the_published_code_crashes_reference_orders_every_row(name):
    case = CASES[name]
    assert len(_reference(case, N_ROWS - 1)) == N_ROWS - 1
    assert len(_reference(case, N_ROWS)) == N_ROWS


@pytest.mark.parametrize("gamma", [1.0, 0.4])
def test_the_exact_order_is_that_of_the_published_code_which_its_main_path_does_not_use(gamma):
    n_rows = PARAMETERS["n_exact"]
    neighbours, squares = nearest_neighbours(ARRAYS["embeddings"][:n_rows], EXACT_NEIGHBOURS)
    graph = mutual_graph(neighbours, np.sqrt(squares))
    density = spread_scores(graph, ARRAYS["scores"][:n_rows], gamma=1.0)
    np.testing.assert_allclose(density, ARRAYS["exact_density"], rtol=1e-9)
    order = greedy_order(graph, density, gamma=gamma)
    np.testing.assert_array_equal(order, ARRAYS[f"exact_order_g{round(10 * gamma)}"])


def _reference(case, budget):
    neighbours = re.match(r"k(\d+)_", case["name"])
    method = D2Pruning(variant="reference", n_neighbours=int(neighbours[1]), gamma_reverse=case["gamma"])
    ids = np.array([f"{row:06d}" for row in range(N_ROWS)])
    signals = {"sample_ids": ids, "pooled_features": ARRAYS["embeddings"], "aum": ARRAYS["scores"]}
    return method.select(signals, budget, 0)
