"""A choice does not hang on the processor: as many vector units as it has, the same signals give the same rows."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from xmas_assets.selection.registry import METHODS
from xmas_assets_tests.families import others_slow
from xmas_assets_tests.processors import LEVELS
from xmas_assets_tests.selection.cases import make_signals, with_copies

# Those of which every step is fixed; the others draw from a cluster, a task or the rows without image.
BY_ID = {
    *("coincide", "d2_pruning", "datatailor", "el2n", "grad_norm", "icons", "ifd", "instag", "length", "less"),
    *("self_sup", "semdedup"),
}
BUDGETS = (11, 150)


def choices() -> dict[str, list[int]]:
    """The rows that every method chooses in every variant, of rows that all differ and of rows with 15 copies each."""
    chosen = {}
    for name in sorted(set(METHODS) - {"full"}):
        variants = ["default", "reference"] if "variant" in METHODS[name].model_fields else ["default"]
        for variant in variants:
            method = METHODS[name](**({"variant": variant} if len(variants) > 1 else {}))
            for kind, signals in (("distinct", make_signals(400)), ("copies", with_copies(25, 16)[0])):
                for budget in BUDGETS:
                    chosen[f"{name} {variant} {kind} {budget}"] = method.select(signals, budget, 0).tolist()
    return chosen


def choices_in_a_process_of_its_own(level: Mapping[str, str]) -> dict[str, list[int]]:
    """Here, other tests may have registered methods of their own."""
    command = [sys.executable, "-m", "xmas_assets_tests.selection.test_processors"]
    done = subprocess.run(command, env={**os.environ, **level}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here():
    return choices_in_a_process_of_its_own({})


@pytest.mark.parametrize("level", others_slow(LEVELS, {"lowest"}))
def test_every_method_chooses_the_same_rows_on_a_lesser_processor(here, level):
    there = choices_in_a_process_of_its_own(LEVELS[level])
    assert [key for key in here if here[key] != there[key]] == []


@pytest.mark.parametrize("name", sorted(BY_ID))
def test_of_rows_with_equal_signals_those_with_the_first_ids_are_chosen(here, name):
    _, original = with_copies(25, 16)
    for budget in BUDGETS:
        chosen = np.isin(np.arange(400), here[f"{name} default copies {budget}"])
        for number in range(25):
            copies = chosen[original == number]
            assert copies[: copies.sum()].all(), (budget, number)


if __name__ == "__main__":
    print(json.dumps(choices()))
