import numpy as np
import pytest

from xmas_assets.selection.methods.self_sup import SelfSup


def signals_of(features):
    return {"sample_ids": np.array([f"{row:03d}" for row in range(len(features))]), "pooled_features": features}


def test_the_row_farthest_from_the_prototype_is_kept_first():
    """Directions 0, 0, 0, 30 and 80 degrees: the mean points at about 17, so 80 is farthest, then the three at 0
    (equal: by name), then 30.
    """
    angles = np.radians([0, 0, 0, 30, 80])
    signals = signals_of(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    hard = [SelfSup(n_clusters=1).select(signals, budget, 0).tolist() for budget in (1, 2, 4)]
    assert hard == [[4], [0, 4], [0, 1, 2, 4]]
    assert SelfSup(n_clusters=1, keep="easy").select(signals, 1, 0).tolist() == [3]


def test_easy_rows_are_those_that_hard_ones_leave():
    signals = signals_of(np.random.default_rng(0).normal(size=(90, 6)))
    hard = SelfSup().select(signals, 30, 0)
    easy = SelfSup(keep="easy").select(signals, 60, 0)
    assert sorted([*hard, *easy]) == list(range(90))


@pytest.mark.parametrize("budget", [1, 25])
def test_the_length_of_a_feature_does_not_matter(budget):
    """With one prototype per row group given by direction only: rows scaled by powers of two choose the same rows."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(80, 6))
    scaled = features * 2.0 ** rng.integers(-3, 4, (80, 1))
    first, second = (SelfSup().select(signals_of(values), budget, 0) for values in (features, scaled))
    np.testing.assert_array_equal(first, second)
