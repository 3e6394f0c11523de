import numpy as np
import pytest

from xmas_assets.selection.methods.semdedup import SemDeDup

ANGLES = np.radians([0, 10, 90])
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
DISTANCES = np.array([0.3, 0.2, 0.5])  # from the centroid of their one cluster
IDS = np.array(["a", "b", "c"])


def choose(method, budget):
    prepared = method.compare_rows(DIRECTIONS, np.zeros(3, dtype=int), DISTANCES)
    return method.select({"sample_ids": IDS}, budget, 0, prepared=prepared).tolist()


def test_of_two_near_duplicates_the_one_farther_from_the_centroid_stays():
    """Hard first: c, a (cos 90 = 0 to c), b (cos 10 = 0.98 to a). Two rows: a and c; easy first: b and c."""
    assert choose(SemDeDup(), 2) == [0, 2]
    assert choose(SemDeDup(keep="easy"), 2) == [1, 2]


def test_reference_keeps_hard_rows_even_if_told_easy_ones():
    assert choose(SemDeDup(variant="reference", keep="easy"), 2) == [0, 2]


def test_reference_cuts_the_rows_of_the_first_epsilon_that_leaves_enough_in_their_order():
    """At 0.01 all three stay, visited c, a, b; at 0.5 two stay."""
    assert choose(SemDeDup(variant="reference", epsilons=(0.01,)), 2) == [0, 2]
    assert choose(SemDeDup(variant="reference", epsilons=(0.01, 0.5)), 1) == [2]


def test_reference_without_an_epsilon_that_leaves_enough_does_as_the_default():
    """At 1.5 only c stays, for its similarity to earlier rows is none; then a, which resembles them least."""
    assert choose(SemDeDup(variant="reference", epsilons=(1.5,)), 2) == [0, 2]


@pytest.mark.parametrize("keep", ["hard", "easy"])
def test_of_rows_that_all_occur_twice_one_of_each_pair_is_kept(keep):
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(60, 5)), 2, axis=0) * rng.uniform(0.5, 2, (120, 1))  # same directions
    signals = {"sample_ids": np.array([f"{row:03d}" for row in range(120)]), "pooled_features": features}
    rows = SemDeDup(n_clusters=4, keep=keep).select(signals, 60, 0)
    assert sorted(set((rows // 2).tolist())) == list(range(60))
