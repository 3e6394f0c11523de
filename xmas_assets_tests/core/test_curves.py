"""Budgets that reach a score, worked by hand, and the monotone curve against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from xmas_assets.core.curves import NOT_REACHED, budgets_to_reach, isotonic, middle_of, share_saved


def test_monotone_curves_are_those_of_scikit_learn():
    curves = np.random.default_rng(0).random((7, 40))
    expected = np.stack([IsotonicRegression().fit_transform(range(7), curve) for curve in curves.T], axis=1)
    assert isotonic(curves) == pytest.approx(expected)


def test_a_level_between_two_budgets_is_found_on_the_line_between_them():
    """From 80 at 10 % to 90 at 30 %: 85 lies half way, 90 at 30 %; then from 90 to 100 at 50 %: 99 at 48 %."""
    for level, budget in ((85, 0.2), (90, 0.3), (99, 0.48), (82, 0.14)):
        assert budgets_to_reach([0.1, 0.3, 0.5], [80, 90, 100], level) == pytest.approx(budget)


def test_a_curve_that_starts_above_the_level_is_not_followed_below_its_smallest_budget():
    assert budgets_to_reach([0.1, 0.3], [95, 99], 90) == 0.1


def test_a_level_above_the_curve_is_not_reached_whatever_its_slope():
    assert budgets_to_reach([0.1, 0.3], [50, 89.9], 90) == NOT_REACHED


def test_a_dip_is_averaged_with_what_comes_before_it():
    """90, 98, 94 becomes 90, 96, 96: 93 is half way to the second budget; 97 is reached nowhere."""
    curve = [90, 98, 94]
    assert budgets_to_reach([0.1, 0.2, 0.4], curve, 93) == pytest.approx(0.15)
    assert budgets_to_reach([0.1, 0.2, 0.4], curve, 97) == NOT_REACHED


def test_a_flat_stretch_at_the_level_counts_from_its_start():
    assert budgets_to_reach([0.1, 0.2, 0.4, 0.8], [80, 90, 90, 95], 90) == pytest.approx(0.2)


def test_many_curves_at_once_are_each_of_them_alone():
    curves = 100 * np.random.default_rng(1).random((4, 50)).cumsum(axis=0)
    curves[:, 7] = math.nan
    found = budgets_to_reach([0.05, 0.1, 0.2, 0.5], curves, 110)
    alone = [float(budgets_to_reach([0.05, 0.1, 0.2, 0.5], curve, 110)) for curve in curves.T]
    assert found == pytest.approx(alone, nan_ok=True)
    assert math.isnan(found[7])


def test_the_share_saved_is_at_least_that_against_the_largest_budget_that_was_tried():
    """10 % against 40 %: 3/4. Not reached within 50 %: at least 4/5. Not reached by the method: no saving known."""
    budgets, others = np.array([0.1, 0.1, NOT_REACHED, NOT_REACHED]), np.array([0.4, NOT_REACHED, 0.4, NOT_REACHED])
    assert share_saved(budgets, others, largest=0.5) == pytest.approx([0.75, 0.8, -math.inf, -math.inf])


def test_the_middle_of_values_with_infinite_ones_is_made_of_values():
    """Of 1, 2, ..., 99, inf: the 2.5 % point is the third value; of 96 values and 4 infinite ones the top is one."""
    values = np.array([*range(1, 97), *[math.inf] * 4], dtype=float)
    assert middle_of(values) == (3.0, math.inf)


@pytest.mark.parametrize("budgets", [[0.1], [0.2, 0.1], [0.1, 0.1]])
def test_budgets_that_make_no_curve_are_refused(budgets):
    with pytest.raises(ValueError, match="two or more, rising"):
        budgets_to_reach(budgets, budgets, 1)
