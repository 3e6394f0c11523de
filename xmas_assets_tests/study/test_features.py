"""How well features find repeats, on points made by hand; what subsets hold."""

import numpy as np
import polars as pl
import pytest

from study import features, subsets
from study.design import PLAN
from xmas_assets.home.home import Home
from xmas_assets.store.tables import write_tables
from xmas_assets.toy.questions import RARE_SKILLS


def test_a_feature_that_puts_near_duplicates_together_finds_all_of_them():
    points = np.array([[0.0], [0.1], [5.0], [9.0]])
    group, skill = np.array([0, 0, 1, 2]), np.zeros(4, dtype=int)
    assert features._repeats(points, group, skill) == 1.0


def test_one_that_puts_them_farthest_apart_never_does():
    points = np.array([[0.0], [9.0], [4.0], [5.0]])
    assert features._repeats(points, np.array([0, 0, 1, 2]), np.zeros(4, dtype=int)) == 0.0


def test_only_rows_of_one_skill_are_compared():
    """The pair of the group is 1 apart; of the others only 2 and 3 share a skill, 4 apart."""
    points = np.array([[0.0], [1.0], [1.5], [5.5]])
    assert features._repeats(points, np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])) == 1.0


def test_without_groups_there_is_nothing_to_find():
    assert features._repeats(np.arange(4.0)[:, None], np.arange(4), np.zeros(4, dtype=int)) is None


def test_a_subset_is_described_by_its_groups_and_rare_skills(tmp_path):
    home = Home.open(tmp_path)
    (experiment,) = (one for one in PLAN if one.name == "main_shapes_steps")
    known = pl.DataFrame(
        {
            "sample_id": ["a", "b", "c", "d"],
            "task": ["colour", "colour", RARE_SKILLS[0], "shape"],
            "group": [0, 0, 1, 2],
        }
    )
    key = experiment.keys(0)[1]
    partition = f"{experiment.registration(0)}|{key}"
    chosen = pl.DataFrame({"sample_id": ["a", "b", "c"]})
    write_tables(home.table_directory("selected_subset", partition), {"subset": chosen})
    found = subsets._describe(home, experiment, 0, known, key)
    assert (found["method"], found["groups"], found["rare"]) == ("random", pytest.approx(2 / 3), pytest.approx(1 / 3))
    with pytest.raises(ValueError, match="rows that are not in the dataset"):
        subsets._describe(home, experiment, 0, known[:2], key)
