"""Agreement of raters, against the example of Krippendorff's paper."""

import math

import pytest

from xmas_assets.core.raters import agreement

N = math.nan
EXAMPLE = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]


def test_the_published_example_comes_out():
    assert agreement(EXAMPLE) == pytest.approx(0.849, abs=0.0005)


def test_raters_who_agree_have_1_and_those_who_contradict_less_than_0():
    assert agreement([[0, 1, 0.5], [0, 1, 0.5]]) == pytest.approx(1)
    assert agreement([[0, 1], [1, 0]]) == pytest.approx(-0.5)


@pytest.mark.parametrize("ratings", [[[0, 1]], [[1, 1], [1, 1]], [[N, 1], [0, N]], [[N], [N]]])
def test_without_two_ratings_or_a_difference_nothing_is_known(ratings):
    assert agreement(ratings) is None
