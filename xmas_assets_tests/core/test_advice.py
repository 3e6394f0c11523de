import pytest

from xmas_assets.core.advice import REPEATS_FROM, SPACE, recommend
from xmas_assets.core.redundancy import Redundancy


def measured(duplicate_mass):
    return {SPACE: Redundancy(100, duplicate_mass, 2.0, 0.3, 0.9, 0.7, 1.0)}


@pytest.mark.parametrize(
    ("mass", "advised"),
    [(0.0, "use random"), (REPEATS_FROM - 0.01, "use random"), (REPEATS_FROM, "xmas_distinct mostly beat")],
)
def test_from_the_border_on_near_duplicates_are_left_out(mass, advised):
    assert advised in recommend(measured(mass))


def test_without_embeddings_of_both_there_is_no_advice():
    assert recommend({"text": measured(0.9)[SPACE]}).startswith("none:")
