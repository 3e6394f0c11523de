from decimal import Decimal

import pytest

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SettingsError


@pytest.mark.parametrize(
    "budget", ["1e-300", "1e-19", "1e-999999999999", f"0.{'1' * 300}", Decimal("0.1234567890123456789"), 5e-324]
)
def test_a_budget_of_more_decimals_than_a_name_can_hold_is_refused_before_there_is_a_key(budget):
    with pytest.raises(SettingsError, match="has more than 18 decimals; give a fraction") as refused:
        SelectionKey.make("random", budget, 0)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("budget", ["nan", "inf", "-inf", "0", "-0.1", "1.0000000001", "1e400", "sNaN"])
def test_a_budget_that_is_no_share_is_refused(budget):
    with pytest.raises(SettingsError, match="give a fraction in"):
        SelectionKey.make("random", budget, 0)


@pytest.mark.parametrize("budget", [1 / 3, 0.1, "0.000000000000000001", "1", Decimal("0.20")])
def test_a_key_of_any_other_budget_is_read_as_it_is_printed(budget):
    key = SelectionKey.make("random", budget, 2**32 - 1)
    assert SelectionKey.parse(str(key)) == key
    assert key.budget == Decimal(str(budget))


@pytest.mark.parametrize("seed", ["4294967296", "1" * 5000, "-1"])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(SettingsError):
        SelectionKey.parse(f"random_b0.20_s{seed}")
