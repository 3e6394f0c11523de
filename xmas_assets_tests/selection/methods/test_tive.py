import numpy as np
import pytest

from xmas_assets.selection.methods.tive import Tive


def signals_of(gradients, norms, tasks):
    return {
        "sample_ids": np.array([f"{row:03d}" for row in range(len(norms))]),
        "task": np.array(tasks, dtype=object),
        "gradients": np.array(gradients, dtype=np.float32),
        "gradient_norm": np.array(norms, dtype=float),
    }


def test_tasks_share_the_budget_by_their_mean_gradient_norm():
    """Norms 1 and 3, whatever the sizes: of 8 rows 2 and 6; of 14, task b's 8 rows are not enough for its 10.5."""
    signals = signals_of(np.eye(28), [1] * 20 + [3] * 8, ["a"] * 20 + ["b"] * 8)
    assert (Tive().select(signals, 8, 0) >= 20).sum() == 6
    assert (Tive().select(signals, 14, 0) >= 20).sum() == 8


def test_a_sharp_softmax_keeps_the_rows_whose_gradients_agree_with_the_task():
    """Three gradients along x, one along y: mean cosines (3 + 0) / 4 and 1 / 4. Sharpness 1000 leaves no doubt."""
    signals = signals_of([[1, 0], [2, 0], [0, 1], [3, 0]], [1] * 4, [None] * 4)
    assert all(Tive(sharpness=1000).select(signals, 3, seed).tolist() == [0, 1, 3] for seed in range(20))


def test_rows_are_drawn_with_probability_in_proportion_to_the_exponential_of_their_value():
    """Values .75 and .25, sharpness 4: of one row the odds of each x row to the y row are e^2. 1,000 draws: P(y) =
    1 / (1 + 3 e^2) = .0432, expected 43.2, standard deviation 6.4.
    """
    signals = signals_of([[1, 0], [2, 0], [0, 1], [3, 0]], [1] * 4, [None] * 4)
    method = Tive(sharpness=4)
    prepared = method.prepare(signals)
    n_y = sum(method.select(signals, 1, seed, prepared=prepared)[0] == 2 for seed in range(1000))
    assert n_y == pytest.approx(43.2, abs=4 * 6.4)


def test_reference_takes_small_tasks_whole_and_leaves_textcaps_out():
    """Norms 1 and 9 without textcaps: of 10 rows 1 of a and 9 of b, which has 3; six of a's best fill up. In order of
    value, which falls along a.
    """
    along = np.array([[1, 0.01 * angle] for angle in range(12)])
    gradients = np.vstack([along, [[1, 0]] * 3, [[1, 0]] * 5])
    signals = signals_of(gradients, [1] * 12 + [9] * 3 + [99] * 5, ["a"] * 12 + ["b"] * 3 + ["textcaps"] * 5)
    rows = Tive(variant="reference").select(signals, 10, 0)
    assert set(rows.tolist()) >= {12, 13, 14}
    assert (rows < 15).all()
    assert (Tive(variant="reference").select(signals, 17, 0) >= 15).sum() == 2


def test_zero_gradients_are_drawn_like_any_other_row():
    signals = signals_of(np.zeros((6, 2)), [0] * 6, [None] * 6)
    assert len(Tive().select(signals, 4, 0)) == len(Tive(variant="reference").select(signals, 4, 0)) == 4
