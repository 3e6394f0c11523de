from decimal import Decimal

import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.methods.full import Full

SIGNALS = {"sample_ids": np.array(list("dbca"))}


def test_full_is_every_row_whatever_the_seed():
    assert [Full().select(SIGNALS, Decimal("1.00"), seed).tolist() for seed in (0, 9)] == [[0, 1, 2, 3]] * 2


def test_full_refuses_any_other_budget():
    with pytest.raises(SelectionError, match="keeps all 4 rows, but the budget is 2; use a budget of 1.00"):
        Full().select(SIGNALS, Decimal("0.5"), 0)
