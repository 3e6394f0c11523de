import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.methods.instag import InsTag


def signals_of(tags):
    column = np.empty(len(tags), dtype=object)
    column[:] = tags
    return {"sample_ids": np.array([f"{row:03d}" for row in range(len(tags))]), "tags": column}


def test_the_most_complex_rows_that_bring_new_tags_come_first():
    """By number of tags: rows 2 (three), 1 (two), then 0, 3, 4. Row 2 covers a, b, c; row 1 brings nothing new; 0
    neither; row 3 brings d. Second round: rows 1 (a, b) and 4 (c); row 0 has only a. Third: row 0. Untagged last.
    """
    signals = signals_of([["a"], ["a", "b"], ["a", "b", "c"], ["d"], ["c"], []])
    budgets = [InsTag().select(signals, budget, 0).tolist() for budget in range(1, 6)]
    assert budgets == [[2], [2, 3], [1, 2, 3], [1, 2, 3, 4], [0, 1, 2, 3, 4]]


def test_as_many_rows_as_tags_cover_all_of_them():
    """The paper's claim of diversity: the first round leaves no tag out, and each of its rows brings one."""
    rng = np.random.default_rng(0)
    tags = [[f"t{tag}" for tag in np.flatnonzero(rng.random(12) < 0.2)] for _ in range(200)]
    rows = InsTag().select(signals_of(tags), 12, 0)
    assert len({tag for row in rows for tag in tags[row]}) == 12


def test_missing_tags_are_refused_with_where_they_can_come_from():
    with pytest.raises(
        SelectionError, match="tags: it is taken from a column of the dataset, or asked of a chat model"
    ):
        InsTag().select({"sample_ids": np.array(["a"])}, 1, 0)
