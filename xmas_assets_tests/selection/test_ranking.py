from typing import ClassVar

import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.ranking import RankedMethod, by_score, rows_with_image


class Alphabetical(RankedMethod):
    """Ranks the rows with image from the last name to the first."""

    name: ClassVar[str] = "alphabetical"
    paper: ClassVar[str] = "test"
    needs: ClassVar[frozenset[str]] = frozenset({"has_image"})
    cost: ClassVar = "none"

    def _ranking(self, signals):
        return rows_with_image(signals)[::-1]


def test_unranked_rows_get_their_share_at_random_and_the_others_the_rest_in_order():
    """10 rows, of which d, e, f, g without image: of 5 they get 5 x 4 // 10 = 2, the last three with image the rest."""
    signals = {"sample_ids": np.array(list("abcdefghij")), "has_image": np.array([1, 1, 1, 0, 0, 0, 0, 1, 1, 1])}
    chosen = [Alphabetical().select(signals, 5, seed).tolist() for seed in range(8)]
    assert {tuple(rows[2:]) for rows in chosen} == {(7, 8, 9)}
    assert len({tuple(rows[:2]) for rows in chosen}) > 1
    assert all(3 <= row <= 6 for rows in chosen for row in rows[:2])


def test_equal_scores_keep_their_order_at_both_ends():
    scores = np.array([1, 3, 1, 3], dtype=np.uint8)
    assert by_score(scores).tolist() == [1, 3, 0, 2]
    assert by_score(scores, keep="smallest").tolist() == [0, 2, 1, 3]


def test_no_image_at_all_is_refused():
    with pytest.raises(SelectionError, match="all 2 rows are text-only"):
        Alphabetical().select({"sample_ids": np.array(["a", "b"]), "has_image": np.zeros(2)}, 1, 0)
