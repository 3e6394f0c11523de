import numpy as np

from xmas_assets.selection.methods.balanced_random import BalancedRandom
from xmas_assets.selection.methods.xmas import Xmas
from xmas_assets_tests.selection.cases import make_signals


def test_a_rare_cluster_gets_its_equal_share():
    """Clusters of 2 and 98 rows, budget 10: 10 // 2 = 5 of which 2 are there; the other 8 come from the large one."""
    labels = np.array([0, 0] + [1] * 98)
    signals = {
        "sample_ids": np.array([f"{row:03d}" for row in range(100)]),
        "cluster_label": labels,
    }
    for seed in range(5):
        rows = BalancedRandom().select(signals, 10, seed)
        assert np.bincount(labels[rows]).tolist() == [2, 8]


def test_every_cluster_gives_as_many_rows_as_in_xmas_but_the_seed_chooses_which():
    signals = make_signals(300)
    ours, xmas = BalancedRandom().select(signals, 70, 0), Xmas().select(signals, 70, 0)
    labels = signals["cluster_label"] + 1
    np.testing.assert_array_equal(np.bincount(labels[ours]), np.bincount(labels[xmas]))
    assert ours.tolist() != BalancedRandom().select(signals, 70, 1).tolist()
