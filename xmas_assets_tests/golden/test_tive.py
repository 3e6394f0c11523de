"""Ours against the published TIVE code's own answers (``golden/data``, or other vectors made the same way)."""

import numpy as np
import pytest

from xmas_assets.selection.methods.tive import Tive, draw_as_published, published_shares
from xmas_assets_tests.golden.vectors import load

PARAMETERS, DATA = load("tive.npz")
N_ROWS = len(DATA["task"])
EXCLUDED = "textcaps"
CASES = {f"p{round(100 * case['p'])}": case for case in PARAMETERS["cases"]}
DRAWN = [name for name, case in CASES.items() if case["n"] > 0]


def test_instance_values_are_the_published_ones():
    values = _prepared()["values"]
    included = DATA["task"] != EXCLUDED
    np.testing.assert_allclose(values[included], DATA["influence"][included], rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_task_shares_are_the_published_ones(name):
    prepared, case = _prepared(), CASES[name]
    shares = published_shares(prepared["task_values"], prepared["excluded"], case["p"] * N_ROWS)
    named = dict(zip(np.unique(DATA["task"]).tolist(), shares.tolist(), strict=True))
    assert named.pop(EXCLUDED, 0) == 0
    assert named == pytest.approx(case["task_size"], rel=1e-9)


@pytest.mark.parametrize("name", DRAWN)
def test_the_published_draw_comes_out_row_for_row(name):
    """A row that the published code repeats, where a task is smaller than its share, stands once."""
    prepared, case = _prepared(), CASES[name]
    shares = published_shares(prepared["task_values"], prepared["excluded"], case["p"] * N_ROWS)
    drawn = draw_as_published(prepared["values"], prepared["tasks"], shares, sharpness=case["q"], seed=case["seed"])
    assert sorted(drawn.tolist()) == sorted(set(DATA[f"{name}_selected"].tolist()))


@pytest.mark.parametrize("name", DRAWN)
def test_reference_returns_the_whole_budget_without_repeated_or_excluded_rows(name):
    case = CASES[name]
    budget = int(case["p"] * N_ROWS)
    rows = Tive(variant="reference", sharpness=case["q"]).select(_signals(), budget, case["seed"])
    assert len(set(rows.tolist())) == budget
    assert EXCLUDED not in DATA["task"][rows]


def _signals() -> dict[str, np.ndarray]:
    return {
        "sample_ids": np.array([f"{row:06d}" for row in range(N_ROWS)]),
        "task": DATA["task"].astype(object),
        "gradients": DATA["grads"],
        "gradient_norm": DATA["norms"],
    }


def _prepared() -> dict[str, np.ndarray]:
    return Tive(variant="reference").prepare(_signals())
