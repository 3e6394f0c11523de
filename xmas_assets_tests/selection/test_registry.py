import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.signals import stages_behind
from xmas_assets.selection.methods.xmas import Xmas
from xmas_assets.selection.registry import METHODS, assets_read, make_method, method_table, parameters_of


def test_a_method_is_made_from_its_name_and_parameters():
    assert make_method("xmas", {"variant": "reference"}) == Xmas(variant="reference")


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(
        SelectionError, match="method 'xmass' is not known; did you mean 'xmas'. use one of xmas, .*random"
    ):
        make_method("xmass", {})


def test_an_unknown_or_bad_parameter_is_refused_in_one_line():
    with pytest.raises(
        SelectionError, match=r"^parameter variant of method 'xmas': .*got 'wild'; parameters: variant$"
    ):
        make_method("xmas", {"variant": "wild"})
    with pytest.raises(SelectionError, match=r"^parameter k of method 'random': .*got 3; parameters: none$"):
        make_method("random", {"k": 3})


def test_what_a_method_says_to_cost_is_what_stands_behind_its_signals():
    for name, method in METHODS.items():
        behind = stages_behind(method.needs)
        if method.cost != "external":
            assert ("proxy_checkpoints" in behind or "difficulty_scores" in behind) == (method.cost == "proxy"), name
            assert ("warmup_checkpoints" in behind) == (method.cost == "gradient"), name


def test_the_table_has_a_row_per_method_and_says_below_what_a_person_must_provide():
    table, _, requirements = method_table().partition("\n\n")
    lines = table.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [f"`{name}`" for name in METHODS]
    assert {line.count("|") for line in lines} == {7}
    provided = [line.split("`")[1] for line in requirements.splitlines()]
    assert provided == ["ratings", "tags", "validation_gradients"]


def test_a_parameter_is_shown_with_default_bounds_and_meaning():
    assert parameters_of(Xmas) == [
        "`variant` = default: 'default', or 'reference': as the published code samples (then text rows do not nest)."
    ]
    share, _ = parameters_of(METHODS["datatailor"])[:2]
    assert share.startswith("`cut_share` = 0.1 (>= 0, <= 1): Height of the cut")


def test_the_assets_that_methods_read_are_those_of_their_signals():
    assert assets_read(["random"]) == {"raw_dataset"}
    assert assets_read(["xmas", "coincide"]) == {"raw_dataset", "clusters", "block_activations"}
