import pytest

from xmas_assets.core.advice import BUDGETS, SPACE, WASTE_FROM, recommend
from xmas_assets.core.redundancy import Redundancy


def measured(*group_counts):
    n_rows = sum(size * count for size, count in group_counts)
    return {SPACE: Redundancy(n_rows, 0.5, 2.0, 0.3, 0.9, 0.7, 1.0, group_counts)}


@pytest.mark.parametrize(
    ("group_counts", "advised"),
    [
        (((1, 1000),), "use random"),
        (((1, 500), (100, 5)), "at 10% and 20% of the rows xmas_distinct mostly beat random"),
    ],
)
def test_where_random_wastes_much_near_duplicates_are_left_out(group_counts, advised):
    assert advised in recommend(measured(*group_counts))


def test_the_budgets_that_pay_are_named():
    """Groups of ten, and as many singles as it takes for 10 % to waste less than the border and 20 % more."""
    counts = next(
        counts
        for counts in (((1, n_singles), (10, 100)) for n_singles in range(100, 5000, 20))
        if measured(*counts)[SPACE].waste(BUDGETS[0]) < WASTE_FROM <= measured(*counts)[SPACE].waste(BUDGETS[1])
    )
    assert "at 20% of the rows" in recommend(measured(*counts))


def test_without_embeddings_of_both_there_is_no_advice():
    assert recommend({"text": measured((1, 9))[SPACE]}).startswith("none:")
