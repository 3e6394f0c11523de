import numpy as np

from xmas_assets.selection.methods.d2_pruning import D2Pruning

PAIRS = np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 1.0], [0.0, 3.0]])  # two directions, each twice


def signals_of(features, aum):
    ids = np.array([f"{row:03d}" for row in range(len(features))])
    return {"sample_ids": ids, "pooled_features": np.asarray(features), "aum": np.asarray(aum)}


def order_of(method, signals):
    """Rows in the order in which growing budgets add them."""
    subsets = [method.select(signals, budget, 0).tolist() for budget in range(1, len(signals["aum"]) + 1)]
    return [
        next(row for row in subset if row not in before)
        for before, subset in zip([[], *subsets], subsets, strict=False)
    ]


def test_a_row_taken_holds_its_double_back():
    """Scores 0.5 0.375 0.25 0.125; pairs add up to 0.875, 0.875, 0.375, 0.375. Row 0 leaves row 1 with 0, then row 2
    leaves row 3 with 0; of the two zeros row 1 is first.
    """
    signals = signals_of(PAIRS, [0.5, 0.375, 0.25, 0.125])
    assert order_of(D2Pruning(n_neighbours=1), signals) == [0, 2, 1, 3]


def test_without_anything_held_back_the_order_is_that_of_the_scores_spread():
    """Distances from 1e-4 up, fading at once: only scores count."""
    rng = np.random.default_rng(0)
    signals = signals_of(rng.normal(size=(30, 4)), rng.permutation(30) / 30)
    order = order_of(D2Pruning(gamma_forward=1e9, gamma_reverse=1e9), signals)
    assert order == np.argsort(-signals["aum"]).tolist()


def test_reference_measures_raw_features():
    """As above, but rows 0 and 1 are 16 apart, so exp(-16) of 0.875 is hardly felt: row 1 follows row 0."""
    signals = signals_of(PAIRS, [0.5, 0.375, 0.25, 0.125])
    assert order_of(D2Pruning(n_neighbours=1, gamma_reverse=1, variant="reference"), signals)[:2] == [0, 1]


def test_dense_regions_are_thinned_out():
    """Ninety rows in one direction, ten spread out, all equally important: thirty random rows would hold three of
    the ten.
    """
    rng = np.random.default_rng(1)
    crowd = np.array([10.0, 0, 0, 0]) + 0.1 * rng.normal(size=(90, 4))
    spread = np.concatenate([np.zeros((10, 1)), 10 * rng.normal(size=(10, 3))], axis=1)
    signals = signals_of(np.concatenate([crowd, spread]), np.full(100, 0.5))
    method = D2Pruning(gamma_forward=1e9, gamma_reverse=5)
    assert (method.select(signals, 30, 0) >= 90).sum() == 10
