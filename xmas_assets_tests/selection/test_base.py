from typing import ClassVar

import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.base import Method
from xmas_assets_tests.selection.cases import make_signals


class Scripted(Method):
    """Returns what it was told to."""

    name: ClassVar[str] = "scripted"
    paper: ClassVar[str] = "test"
    needs: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar = "none"
    nested: ClassVar[bool] = False

    answer: tuple[int, ...]

    def _choose(self, signals, count, rng):
        return np.array(self.answer, dtype=np.int64)


class Best(Scripted):
    """Keeps the rows of most turns: ties must go to the smaller sample_id."""

    needs: ClassVar[frozenset[str]] = frozenset({"n_turns"})
    answer: tuple[int, ...] = ()

    def _choose(self, signals, count, rng):
        return np.argsort(-signals["n_turns"], kind="stable")[:count]


@pytest.mark.parametrize("answer", [(0,), (0, 0), (0, 1, 2), (0, 5), (-1, 0)])
def test_a_method_that_answers_wrongly_is_found_out(answer):
    with pytest.raises(AssertionError, match="'scripted' chose"):
        Scripted(answer=answer).select({"sample_ids": np.array(list("abcde"))}, 2, 0)


def test_ties_go_to_the_smaller_sample_id():
    """Turns 3, 1, 1, 1 of c, d, a, b: c first, then a."""
    signals = {"sample_ids": np.array(["c", "d", "a", "b"]), "n_turns": np.array([3, 1, 1, 1])}
    assert Best().select(signals, 2, 0).tolist() == [0, 2]


def test_ids_are_ordered_by_code_point():
    """'B' < 'a' < 'é' as code points, so of equal rows 'B' is kept."""
    signals = {"sample_ids": np.array(["é", "a", "B"], dtype=object), "n_turns": np.array([1, 1, 1])}
    assert Best().select(signals, 1, 0).tolist() == [2]


def test_parameters_are_frozen_and_unknown_ones_refused():
    with pytest.raises(ValueError, match="frozen"):
        Best().answer = (1,)
    with pytest.raises(ValueError, match="Extra inputs"):
        Best.model_validate({"answr": (1,)})


def test_signals_without_names_are_refused():
    with pytest.raises(SelectionError, match="lack 'sample_ids'"):
        Best().select({"n_turns": np.ones(3)}, 1, 0)


def test_no_rows_are_refused():
    with pytest.raises(SelectionError, match="budget of 1 rows is out of range"):
        Best().select({"sample_ids": np.array([], dtype=str), "n_turns": np.array([])}, 1, 0)


def test_a_value_that_text_only_rows_cannot_have_may_be_missing_there_only():
    """Without cluster labels nobody knows which rows are text-only, so what lacks the value was not read."""

    class Steady(Best):
        needs: ClassVar[frozenset[str]] = frozenset({"instability", "n_turns"})

    signals = make_signals(30, n_text=6)
    unlabelled = {key: values for key, values in signals.items() if key != "cluster_label"}
    assert Steady.n_unread(Steady().prepare(signals)) == 0
    assert Steady.n_unread(Steady().prepare(unlabelled)) == 6
    assert set(Steady().select(unlabelled, 24, 0)) == set(np.flatnonzero(signals["has_image"]))


def test_what_was_prepared_knows_the_order_of_the_rows_so_names_are_not_opened_again():
    """Turns 3, 1, 1, 1 of c, d, a, b: c first, then a."""
    signals = {"sample_ids": np.array(["c", "d", "a", "b"]), "n_turns": np.array([3, 1, 1, 1])}
    prepared = Best().prepare(signals)
    assert prepared["id_order"].tolist() == [2, 3, 0, 1]
    assert Best().select({"n_turns": signals["n_turns"]}, 2, 0, prepared=prepared).tolist() == [0, 2]
