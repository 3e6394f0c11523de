import pytest

from xmas_assets.core.redundancy import Redundancy
from xmas_assets.report.advice import LOSS_FROM, SPACE, SURE_FROM, recommend


class Measured(Redundancy):
    """Repeats with the same expected loss at every budget."""

    def expected_loss(self, share):
        return self.duplicate_mass


def wasting(expected_loss):
    return {SPACE: Measured(100, expected_loss, 2.0, 0.3, 0.9, 0.7, 1.0, ((1, 100),))}


@pytest.mark.parametrize(
    ("expected_loss", "advised"),
    [
        (0.0, "use random"),
        (LOSS_FROM - 0.001, "use random"),
        (LOSS_FROM, "compare xmas_distinct with random"),
        (SURE_FROM - 0.001, "compare xmas_distinct with random"),
        (SURE_FROM, "try xmas_distinct"),
    ],
)
def test_what_is_advised_changes_at_the_borders(expected_loss, advised):
    assert recommend(wasting(expected_loss)).count(advised) == 2  # once a budget


def test_every_budget_has_advice_of_its_own():
    """1,000 singles, 20 groups of 40. Of 180 rows 100 + 20 groups are shown, a third missed; of 360, 200 + 20: 39 %."""
    found = Redundancy(1800, 0.5, 40.0, 0.3, 0.9, 0.7, 1.0, ((1, 1000), (40, 20)))
    first, second = recommend({SPACE: found}).split(". At ")
    assert f"{found.expected_loss(0.1):.1%}" in first and "compare xmas_distinct" in first
    assert f"{found.expected_loss(0.2):.1%}" in second and second.startswith("20%")


def test_without_embeddings_of_both_there_is_no_advice():
    assert recommend({"text": wasting(0.9)[SPACE]}).startswith("none:")
