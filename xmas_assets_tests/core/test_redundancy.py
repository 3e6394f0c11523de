"""Near-duplicates and their groups in spaces where the truth is known."""

import numpy as np
import pytest

from xmas_assets.core.redundancy import Redundancy, measure_redundancy


def grouped(n_groups: int, size: int, n_single: int, *, spread: float, seed: int = 0) -> np.ndarray:
    """Groups around places drawn at random in 16 dimensions, and rows of their own."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(n_groups + n_single, 16))
    rows = np.repeat(places, [size] * n_groups + [1] * n_single, axis=0)
    rows += spread * rng.normal(size=rows.shape)
    return rows[rng.permutation(len(rows))].astype(np.float32)


@pytest.mark.parametrize(("n_groups", "size"), [(150, 4), (40, 16), (10, 64)])
def test_groups_of_known_size_are_found_again(n_groups, size):
    """Rows of their own lie 5.6 = sqrt(32) apart, give or take; those of a group 0.28."""
    n_rows = n_groups * size + 200
    found = measure_redundancy(grouped(n_groups, size, 200, spread=0.05))
    assert found.n_rows == n_rows
    assert found.duplicate_mass == pytest.approx(n_groups * size / n_rows)
    assert found.group_size == pytest.approx(size)
    assert found.neighbour_distance < 0.06
    assert found.near_distance == pytest.approx(np.sqrt(32) / 4, rel=0.05)


def test_rows_of_their_own_have_no_duplicates():
    found = measure_redundancy(grouped(0, 1, 800, spread=0))
    assert (found.duplicate_mass, found.group_size) == (0, 1)
    assert found.neighbour_distance > 0.3


def test_copies_are_duplicates():
    """Ten rows far apart, the first of them five times: 5 of 14 rows; most have no copy."""
    places = 10 * np.eye(10, dtype=np.float32)
    found = measure_redundancy(np.concatenate([places, places[[0, 0, 0, 0]]]))
    assert (found.duplicate_mass, found.group_size) == (pytest.approx(5 / 14), 5)
    assert found.neighbour_distance == pytest.approx(1)


def test_equal_rows_are_one_group():
    found = measure_redundancy(np.ones((7, 3), dtype=np.float32))
    assert (found.duplicate_mass, found.group_size) == (1, 7)
    assert (found.cluster_evenness, found.leading_share) == (1, 1)
    assert np.isnan(found.neighbour_distance)


def test_where_most_rows_are_equal_nothing_but_copies_is_near():
    """The median distance of two rows is 0; 40 rows that differ, some by very little, stay single."""
    single = 10 + 1e-6 * np.random.default_rng(0).normal(size=(40, 16))
    found = measure_redundancy(np.concatenate([np.ones((300, 16)), single]))
    assert (found.near_distance, found.group_size) == (0, 300)
    assert found.duplicate_mass == pytest.approx(300 / 340)


def test_a_chain_of_near_rows_is_one_group():
    """Eight rows 1 apart on a line, and 40 rows 100 and more away from them and one another."""
    chain = np.zeros((8, 40), dtype=np.float32)
    chain[:, 0] = np.arange(8)
    found = measure_redundancy(np.concatenate([chain, 100 * np.eye(40, dtype=np.float32)[1:]]))
    assert (found.duplicate_mass, found.group_size) == (pytest.approx(8 / 47), 8)


def test_cells_find_nearly_what_comparing_all_finds():
    """1,160 rows, compared within 12 clusters of about 100: groups lie far apart, so borders part hardly any."""
    values = grouped(60, 16, 200, spread=0.05)
    whole, cells = measure_redundancy(values), measure_redundancy(values, cell_rows=100)
    assert cells.duplicate_mass == pytest.approx(whole.duplicate_mass, rel=0.02)
    assert cells.group_size == pytest.approx(whole.group_size, rel=0.1)


def test_blocks_of_a_cell_are_joined(monkeypatch):
    """A few distances at a time give the groups that all at once give."""
    values = grouped(40, 8, 60, spread=0.3)
    whole = measure_redundancy(values)
    monkeypatch.setattr("xmas_assets.core.redundancy._DISTANCES", 3 * len(values))
    assert measure_redundancy(values) == whole
    assert whole.group_size > 4


def test_the_order_of_the_rows_does_not_matter():
    values = grouped(20, 6, 100, spread=0.3)
    assert measure_redundancy(values[np.random.default_rng(1).permutation(len(values))]) == measure_redundancy(values)


def test_leading_share_and_evenness_by_hand():
    """Six columns, each one row at +1 and one at -1: equal variances, of which 5 of 6 are leading. 12 rows make
    round(sqrt(18)) = 4 clusters of rows that are all equally far from the mean."""
    found = measure_redundancy(np.concatenate([np.eye(6), -np.eye(6)]).astype(np.float32))
    assert found.leading_share == pytest.approx(5 / 6)
    assert 0 < found.cluster_evenness <= 1


def test_clusters_of_unlike_sizes_are_less_even():
    """900 rows at four places: 225 each is even; 897, 1, 1, 1 has an entropy of 0.026 nats of log 4 = 1.386."""
    places = 100 * np.eye(4, dtype=np.float32)
    even = measure_redundancy(np.repeat(places, 225, axis=0))
    uneven = measure_redundancy(np.repeat(places, [897, 1, 1, 1], axis=0))
    shares = np.array([897, 1, 1, 1]) / 900
    assert even.cluster_evenness == pytest.approx(1)
    assert uneven.cluster_evenness == pytest.approx(-(shares @ np.log(shares)) / np.log(4))


@pytest.mark.parametrize("values", [np.zeros((1, 3)), np.zeros(3), np.array([[0.0], [np.nan]])])
def test_what_cannot_be_measured_is_refused(values):
    with pytest.raises(ValueError, match="give finite values of shape"):
        measure_redundancy(values)


def test_all_measures_are_plain_numbers():
    found = measure_redundancy(grouped(3, 2, 3, spread=0.01))
    assert isinstance(found, Redundancy)
    assert {type(value) for name, value in vars(found).items() if name != "group_counts"} == {int, float}
    assert found.group_counts == ((1, 3), (2, 3))


def of_groups(*group_counts: tuple[int, int]) -> Redundancy:
    n_rows = sum(size * count for size, count in group_counts)
    return Redundancy(n_rows, 0.0, 1.0, 0.3, 0.9, 0.7, 1.0, group_counts)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 1.0])
def test_random_loses_nothing_where_nothing_repeats(share):
    expected_loss = of_groups((1, 50)).expected_loss(share)
    assert expected_loss == pytest.approx(0)
    assert expected_loss >= 0


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="share must be in"):
        of_groups((1, 50)).expected_loss(share)


def test_expected_loss_is_what_random_misses_of_the_groups_it_could_show():
    """Ten singles and ten pairs, 30 rows; of 6 rows (20 %) six groups could be shown. A single is hit with chance .2,
    a pair with 1 - .8^2 = .36: 5.6 groups. Of 24 rows (80 %) all 20 could: 8 + 9.6 = 17.6 are."""
    pairs = of_groups((1, 10), (2, 10))
    assert pairs.expected_loss(0.2) == pytest.approx(1 - 5.6 / 6)
    assert pairs.expected_loss(0.8) == pytest.approx(1 - 17.6 / 20)


def test_expected_loss_is_that_of_drawing_at_random():
    groups = np.repeat(np.arange(120), [1] * 80 + [30] * 40)
    rng = np.random.default_rng(0)
    shown = [len(np.unique(rng.choice(groups, 128, replace=False))) for _ in range(2000)]
    assert of_groups((1, 80), (30, 40)).expected_loss(0.1) == pytest.approx(1 - np.mean(shown) / 120, abs=0.01)
