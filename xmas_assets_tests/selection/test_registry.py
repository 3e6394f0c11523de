import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.methods.xmas import Xmas
from xmas_assets.selection.registry import METHODS, make_method, method_table


def test_a_method_is_made_from_its_name_and_parameters():
    assert make_method("xmas", {"variant": "reference"}) == Xmas(variant="reference")


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(SelectionError, match="method 'xmass' is not known; use one of xmas, .*random"):
        make_method("xmass", {})


def test_an_unknown_or_bad_parameter_is_refused_in_one_line():
    with pytest.raises(
        SelectionError, match=r"^parameter variant of method 'xmas': .*got 'wild'; parameters: variant$"
    ):
        make_method("xmas", {"variant": "wild"})
    with pytest.raises(SelectionError, match=r"^parameter k of method 'random': .*got 3; parameters: none$"):
        make_method("random", {"k": 3})


def test_the_table_has_a_row_per_method():
    lines = method_table().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [f"`{name}`" for name in METHODS]
    assert {line.count("|") for line in lines} == {7}
