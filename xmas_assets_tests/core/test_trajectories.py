import numpy as np
import pytest

from xmas_assets.core.trajectories import instability, leading_sums, stability_ranks


def test_the_largest_values_are_summed_whatever_their_order():
    values = np.array([[[1.0, 4.0, 2.0], [3.0, 0.5, 1.0]]])
    assert leading_sums(values, 2).tolist() == [[6.0, 4.0]]
    assert leading_sums(values).tolist() == [[7.0, 4.5]]


def test_sums_are_float32():
    assert leading_sums(np.ones((2, 3, 4))).dtype == np.float32


def test_a_nan_counts_as_the_smallest_value():
    values = np.array([[[np.nan, 2.0, 5.0]]])
    assert leading_sums(values, 2).tolist() == [[7.0]]
    assert np.isnan(leading_sums(values, 3)).all()


@pytest.mark.parametrize("n_values", [0, 4])
def test_more_values_than_are_stored_are_refused(n_values):
    with pytest.raises(ValueError, match=r"n_values must be in 1\.\.3, got"):
        leading_sums(np.zeros((1, 2, 3)), n_values)


def test_flat_values_are_refused():
    with pytest.raises(ValueError, match="shape"):
        leading_sums(np.zeros((2, 3)))


def test_instability_adds_up_the_absolute_steps():
    """|3 - 1| + |2 - 3| = 3; a constant trajectory does not move."""
    assert instability(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])).tolist() == [3.0, 0.0]


def test_instability_does_not_change_when_all_values_shift():
    values = np.random.default_rng(0).integers(0, 100, (50, 7)).astype(np.float64)
    np.testing.assert_array_equal(instability(values + 1000), instability(values))


def test_a_single_checkpoint_has_no_instability_and_is_refused():
    with pytest.raises(ValueError, match="n_checkpoints >= 2"):
        instability(np.zeros((4, 1)))


def test_ranks_start_at_zero_in_every_cluster_and_ties_keep_row_order():
    labels = np.array([0, 1, 0, 0, 1])
    assert stability_ranks(labels, np.array([2.0, 9.0, 1.0, 2.0, 9.0])).tolist() == [1, 0, 0, 2, 1]


def test_values_in_descending_order_are_added_as_they_are():
    """3 + 2 from the stored order; a NaN among them still counts as the smallest."""
    assert leading_sums(np.array([[[3.0, 2.0, 1.0]]]), 2).tolist() == [[5.0]]
    assert leading_sums(np.array([[[3.0, np.nan, 1.0]]]), 2).tolist() == [[4.0]]
