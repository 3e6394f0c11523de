import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmas_assets.core.allocation import allocate_by_weight, allocate_in_size_order, group_heads

SIZES = st.lists(st.integers(0, 12), min_size=1, max_size=12).map(np.array)


def test_what_a_small_cluster_cannot_use_flows_on():
    """Sizes 10, 1, 4 and 9 samples: 9 // 3 = 3 but only 1 is there; 8 // 2 = 4; the rest, 4, to the largest."""
    assert allocate_in_size_order(np.array([10, 1, 4]), 9).tolist() == [4, 1, 4]


def test_equal_sizes_are_served_by_index_so_the_remainder_goes_to_the_last():
    """7 over three clusters of 5: 7 // 3 = 2, 5 // 2 = 2, 3 // 1 = 3."""
    assert allocate_in_size_order(np.array([5, 5, 5]), 7).tolist() == [2, 2, 3]


def test_fewer_samples_than_clusters_go_to_the_largest_clusters():
    """2 over sizes 1, 2, 3, 4: 2 // 4 = 0, 2 // 3 = 0, 2 // 2 = 1, 1 // 1 = 1."""
    assert allocate_in_size_order(np.array([1, 2, 3, 4]), 2).tolist() == [0, 0, 1, 1]


def test_a_last_cluster_that_cannot_absorb_the_rest_hands_it_round_again():
    """Order 10, then 2; count 9: 9 // 2 = 4, then min(5, 2) = 2; 3 are left and only the first has room."""
    assert allocate_in_size_order(np.array([10, 2]), 9, order=np.array([0, 1])).tolist() == [7, 2]


def test_a_cluster_outside_the_order_gets_nothing():
    assert allocate_in_size_order(np.array([2, 8, 6]), 5, order=np.array([2, 1])).tolist() == [0, 3, 2]


def test_empty_clusters_change_nothing():
    assert allocate_in_size_order(np.array([0, 3, 0, 3]), 4).tolist() == [0, 2, 0, 2]


@pytest.mark.parametrize("count", [-1, 8])
def test_a_count_beyond_the_clusters_is_refused(count):
    with pytest.raises(ValueError, match=r"count must be in 0\.\.7"):
        allocate_in_size_order(np.array([3, 4]), count)


@given(SIZES, st.data())
def test_the_total_is_exact_and_no_cluster_gives_more_than_it_has(sizes, data):
    count = data.draw(st.integers(0, int(sizes.sum())))
    order = np.array(data.draw(st.permutations(range(len(sizes)))))
    for quotas in (allocate_in_size_order(sizes, count), allocate_in_size_order(sizes, count, order=order)):
        assert quotas.sum() == count
        assert (quotas >= 0).all()
        assert (quotas <= sizes).all()


@given(SIZES, st.data())
def test_by_ascending_size_one_pass_spends_everything(sizes, data):
    """The published loop, written down literally, loses nothing when no cluster is left out."""
    count = remaining = data.draw(st.integers(0, int(sizes.sum())))
    taken = np.zeros_like(sizes)
    order = np.argsort(sizes, kind="stable")
    for position, cluster in enumerate(order):
        taken[cluster] = min(remaining // (len(order) - position), sizes[cluster])
        remaining -= taken[cluster]
    assert remaining == 0
    assert allocate_in_size_order(sizes, count).tolist() == taken.tolist()


@given(SIZES)
def test_a_larger_count_gives_no_cluster_less(sizes):
    ladder = np.array([allocate_in_size_order(sizes, count) for count in range(int(sizes.sum()) + 1)])
    assert (np.diff(ladder, axis=0) >= 0).all()


def test_heads_are_positions_in_the_concatenated_groups():
    assert group_heads(np.array([3, 2, 4]), np.array([1, 0, 2])).tolist() == [0, 5, 6]


def test_a_quota_above_its_group_is_refused():
    with pytest.raises(ValueError, match="quotas must be in"):
        group_heads(np.array([3]), np.array([4]))


def test_shares_follow_the_weights_and_overflow_goes_to_the_others():
    """Weights 1 : 6 : 3 of 6 would be 0.6, 3.6, 1.8; the second group has only 2 rows, so 4 are split 1 : 3."""
    assert allocate_by_weight(np.array([9, 2, 9]), np.log([1.0, 6.0, 3.0]), 6).tolist() == [1, 2, 3]


def test_weights_beyond_what_a_float_can_hold_are_told_apart():
    """e^900 against e^-900: all to the second group while it has room."""
    assert allocate_by_weight(np.array([5, 5]), np.array([-900.0, 900.0]), 7).tolist() == [2, 5]


def test_equal_claims_go_to_the_lower_group():
    assert allocate_by_weight(np.array([4, 4, 4]), np.zeros(3), 5).tolist() == [2, 2, 1]


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-50, 50)), min_size=1, max_size=8))
def test_shares_by_weight_add_up_fit_and_never_fall_when_the_budget_grows(groups):
    sizes, log_weights = (np.array(column) for column in zip(*groups, strict=True))
    shares = np.array([allocate_by_weight(sizes, log_weights, count) for count in range(sizes.sum() + 1)])
    np.testing.assert_array_equal(shares.sum(axis=1), np.arange(sizes.sum() + 1))
    assert (shares <= sizes).all()
    assert (np.diff(shares, axis=0) >= 0).all()


def test_more_than_the_groups_hold_is_refused():
    with pytest.raises(ValueError, match=r"count must be in 0\.\.3 .* got 4"):
        allocate_by_weight(np.array([1, 2]), np.zeros(2), 4)
