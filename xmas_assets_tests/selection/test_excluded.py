"""Rows that must not be selected: every method chooses as if the dataset did not have them."""

from decimal import Decimal

import numpy as np
import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.selection.registry import METHODS
from xmas_assets_tests.selection.cases import make_signals, reorder

N = 120
EXCLUDED = np.array([0, 3, 4, 57, 58, 90, 119])
KEPT = np.array([row for row in range(N) if row not in {0, 3, 4, 57, 58, 90, 119}])
CHOOSING = sorted(set(METHODS) - {"full"})


@pytest.mark.parametrize(("budget", "n_rows"), [(1, 1), (Decimal("0.1"), 11), (Decimal("0.75"), 84), (Decimal(1), 113)])
@pytest.mark.parametrize("name", CHOOSING)
def test_the_choice_is_that_of_the_dataset_without_these_rows(name, budget, n_rows):
    method, signals = METHODS[name](), make_signals(N)
    chosen = method.select(signals, budget, 3, excluded=EXCLUDED)
    np.testing.assert_array_equal(chosen, KEPT[method.select(reorder(signals, KEPT), budget, 3)])
    # 0.1 of the 113 rows that are left is 11.3, and 0.75 is 84.75.
    assert len(chosen) == n_rows
    prepared = method.prepare(signals, excluded=EXCLUDED)
    again = method.select(signals, budget, 3, prepared=prepared, excluded=EXCLUDED)
    np.testing.assert_array_equal(again, chosen)


def test_full_keeps_all_other_rows():
    assert METHODS["full"]().select(make_signals(N), Decimal(1), 0, excluded=EXCLUDED).tolist() == KEPT.tolist()


def test_of_no_rows_nothing_can_be_selected():
    with pytest.raises(SettingsError, match="0 usable rows"):
        METHODS["random"]().select(make_signals(N), 0.5, 0, excluded=np.arange(N))
