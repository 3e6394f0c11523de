"""Ours against the published ScalSelect code's own answers (``golden/data``, or other vectors made the same way)."""

import numpy as np
import pytest
import torch

from xmas_assets.core.leverage import leverage_scores
from xmas_assets.extraction.activations import hold_share
from xmas_assets.selection.methods.scalselect import ScalSelect
from xmas_assets_tests.golden.vectors import load

TOKEN_PARAMETERS, TOKENS = load("scalselect_repr.npz")
PARAMETERS, ROWS = load("scalselect_cur.npz")
CASES = {f"{case['case']}_{round(1000 * case['thr'])}": case for case in PARAMETERS["cases"]}
# The method centres the columns and does nothing else.
AS_THE_METHOD = [name for name, case in CASES.items() if case["center"] and not case["standardize"]]


@pytest.mark.parametrize("sample", range(len(TOKENS["hidden"])))
def test_attended_features_are_the_published_ones(sample):
    vision = TOKENS["vision_idx"]
    attention = TOKENS["attn_mean"][sample][np.ix_(TOKENS["user_idx"], vision)].mean(axis=0)
    weights = torch.tensor(attention, dtype=torch.float64)[None]
    is_kept = hold_share(weights, torch.ones_like(weights, dtype=torch.bool), TOKEN_PARAMETERS["cumulative_threshold"])
    chosen = np.flatnonzero(is_kept[0].numpy())
    assert len(chosen) == TOKENS["n_selected"][sample]
    if len(np.unique(attention)) < len(attention):
        return  # equal attention: the published order, and so the choice, is arbitrary
    assert chosen.tolist() == sorted(TOKENS["selected"][sample, : len(chosen)].tolist())
    features = TOKENS["hidden"][sample, vision[chosen]].mean(axis=0)
    np.testing.assert_allclose(features, TOKENS["repr"][sample], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_rank_and_leverage_scores_are_the_published_ones(name):
    case, published = CASES[name], _published(name, "score")
    rows = _preprocessed(case)
    blocks = np.array_split(rows, 7)
    # Scaling to unit length comes after centring there, and what follows is not centred again.
    leverage = leverage_scores(
        lambda: blocks, energy_share=case["thr"], centred=case["center"] and not case["l2_normalize"]
    )
    assert leverage.rank == case["k"]
    np.testing.assert_allclose(leverage.scores, published, rtol=2e-3, atol=1e-7)


@pytest.mark.parametrize("name", AS_THE_METHOD)
def test_reference_keeps_the_rows_that_the_published_code_ranks_first(name):
    """Scores of the published code carry float32 noise; where two differ by less, either may come first."""
    case, scores, order = CASES[name], _published(name, "score"), _published(name, "order")
    n_rows = len(scores)
    signals = {
        "sample_ids": np.array([f"{row:06d}" for row in range(n_rows)]),
        "has_image": np.ones(n_rows, dtype=bool),
        "attended_features": ROWS[f"{case['case']}_X"],
    }
    method = ScalSelect(variant="reference", energy_share=case["thr"])
    ranking = method.prepare(signals)["ranking"]
    np.testing.assert_allclose(scores[ranking], scores[order], rtol=1e-4)
    assert (ranking == order).mean() > 0.9
    for count in (n_rows // 20, n_rows // 5):
        chosen = method.select(signals, count, 0)
        swapped = np.setxor1d(chosen, order[:count])
        np.testing.assert_allclose(scores[swapped], scores[order[count - 1]], rtol=1e-4)


def _preprocessed(case: dict) -> np.ndarray:
    rows = ROWS[f"{case['case']}_X"].astype(np.float64)
    if case["standardize"]:
        spread = rows.std(axis=0)
        rows = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    if case["l2_normalize"]:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _published(name: str, what: str) -> np.ndarray:
    return ROWS[f"{CASES[name]['case']}_{what}{round(1000 * CASES[name]['thr'])}"]
