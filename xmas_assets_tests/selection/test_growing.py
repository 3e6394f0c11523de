"""Choices of a dataset that grew: earlier ones are kept, and filled up from the rows that came."""

from decimal import Decimal

import numpy as np
import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.scale.stretches import Growth
from xmas_assets.selection.growing import explain_grown, select_grown
from xmas_assets.selection.reasons import REASONS
from xmas_assets.selection.registry import METHODS
from xmas_assets_tests.selection.cases import make_signals, reorder

N, COUNTS = 150, (80, 90)
EXCLUDED = np.array([0, 3, 85, 149])
# Of 80, 90 and 150 rows but for 2, 3 and 4, the budget 0.30 buys 23, 26 and 43.
PER_STRETCH = {(0, 80): 23, (80, 90): 3, (90, 150): 17}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_each_stretch_is_chosen_from_as_if_it_were_the_dataset(name):
    method, signals = METHODS[name](), make_signals(N)
    budget = Decimal(1) if name == "full" else Decimal("0.30")
    chosen, n_unread = select_grown(
        method, signals, budget, 3, stretches=Growth(COUNTS).stretches(N), excluded=EXCLUDED
    )
    expected = []
    for (start, stop), count in PER_STRETCH.items():
        rows = np.setdiff1d(np.arange(start, stop), EXCLUDED)
        alone = reorder(signals, rows)
        expected += rows[method.select(alone, len(rows) if name == "full" else count, 3)].tolist()
    assert (chosen.tolist(), n_unread) == (expected, 0)
    stretches = Growth(COUNTS).stretches(N)
    reasons = explain_grown(method, signals, budget, 3, stretches=stretches, excluded=EXCLUDED).table()
    assert reasons["row"].to_list() == list(range(N))
    assert reasons.filter("kept")["row"].to_list() == expected
    assert reasons.schema == REASONS
    groups = reasons["group"].to_list()
    assert {group.split(":")[0] for group in groups} == {"excluded", "rows 0 to 79", "rows 80 to 89", "rows 90 to 149"}
    assert [row for row, group in enumerate(groups) if group == "excluded"] == EXCLUDED.tolist()


def test_rows_chosen_before_are_kept_each_time():
    method, signals = METHODS["el2n"](), make_signals(N)
    before = np.arange(0)
    for n_rows, counts in [(80, ()), (90, (80,)), (150, (80, 90))]:
        grown = reorder(signals, np.arange(n_rows))
        chosen, _ = select_grown(method, grown, Decimal("0.2"), 0, stretches=Growth(counts).stretches(n_rows))
        assert len(chosen) == n_rows // 5
        assert set(before) <= set(chosen)
        before = chosen


def test_a_stretch_too_small_for_the_budget_gives_no_row_and_later_ones_make_up_for_it():
    method, signals = METHODS["length"](), make_signals(N)
    chosen, _ = select_grown(
        method, signals, Decimal("0.1"), 0, stretches=Growth((100, 105)).stretches(N), excluded=np.arange(100, 104)
    )
    # 0.1 of 100 and 101 rows buys 10 each, and of 146 rows 14.
    assert np.histogram(chosen, [0, 100, 105, N])[0].tolist() == [10, 0, 4]
    reasons = explain_grown(
        method, signals, Decimal("0.1"), 0, stretches=Growth((100, 105)).stretches(N), excluded=np.arange(100, 104)
    ).table()
    (row,) = reasons.filter(row=104).rows(named=True)
    assert (row["kept"], row["group"], row["rank_in_group"]) == (
        False,
        "rows 100 to 104: too few to choose from",
        None,
    )


def test_counts_of_rows_that_are_not_there_any_more_change_nothing():
    method, signals = METHODS["random"](), make_signals(N)
    chosen, _ = select_grown(method, signals, Decimal("0.2"), 5, stretches=Growth((N, N + 10)).stretches(N))
    np.testing.assert_array_equal(chosen, method.select(signals, Decimal("0.2"), 5))


def test_of_no_rows_nothing_can_be_selected():
    with pytest.raises(SettingsError, match="0 usable rows"):
        select_grown(
            METHODS["random"](),
            make_signals(N),
            Decimal("0.5"),
            0,
            stretches=Growth(COUNTS).stretches(N),
            excluded=np.arange(N),
        )
