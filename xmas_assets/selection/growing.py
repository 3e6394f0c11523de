"""Choices of a dataset that grew, where earlier ones are kept: each time, rows are added from those that came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from xmas_assets.contracts.artifacts import budget_count
from xmas_assets.core.arrays import IntArray
from xmas_assets.selection.base import NO_ROWS, Method
from xmas_assets.selection.reasons import Reasons, Standing
from xmas_assets.selection.signal_arrays import Array


@dataclass(frozen=True)
class _Stretch:
    """Rows that came together, of which some are chosen.

    Attributes:
        rows: Theirs that can be chosen, ascending.
        excluded: All other rows of the dataset.
        count: How many are chosen: with those of earlier stretches, as many as the budget buys.
        name: For people.
    """

    rows: IntArray
    excluded: IntArray
    count: int
    name: str


def select_grown(
    method: Method,
    signals: Mapping[str, Array],
    budget: Decimal,
    seed: int,
    *,
    stretches: Sequence[range],
    excluded: IntArray = NO_ROWS,
) -> tuple[IntArray, int]:
    """Choose from the rows of each stretch as if there were no others.

    From the first stretch come the rows that were chosen before the dataset grew, if its signals are still the same.
    That a row is redundant with one of an earlier stretch is not seen.

    Args:
        method: The method with its parameters.
        signals: As of ``Method.select``.
        budget: Share of the rows in (0, 1]; excluded rows do not count.
        seed: As of ``Method.select``.
        stretches: The rows that came together, in order; with all rows of the dataset.
        excluded: As of ``Method.select``.

    Returns:
        The rows, ascending, and how many rows could not be read.

    Raises:
        SelectionError: As of ``Method.select``, also where the method cannot serve a stretch.
    """
    chosen, n_unread = [NO_ROWS], 0
    for stretch in _stretches(signals, budget, stretches, excluded):
        if stretch.count:
            prepared = method.prepare(signals, excluded=stretch.excluded)
            rows = method.select(signals, stretch.count, seed, prepared=prepared, excluded=stretch.excluded)
            chosen.append(rows)
            n_unread += method.n_unread(prepared)
    return np.sort(np.concatenate(chosen)), n_unread


def explain_grown(
    method: Method,
    signals: Mapping[str, Array],
    budget: Decimal,
    seed: int,
    *,
    stretches: Sequence[range],
    excluded: IntArray = NO_ROWS,
) -> Reasons:
    """As ``Method.reasons`` of what ``select_grown`` chooses; rows compete within their stretch, which groups name."""
    reasons = Reasons(np.asarray(signals["sample_ids"]), score_name=method.score_name)
    _add_without_rank(reasons, excluded, "excluded")
    for stretch in _stretches(signals, budget, stretches, excluded):
        if not stretch.count:
            _add_without_rank(reasons, stretch.rows, f"{stretch.name}: too few to choose from")
            continue
        own = method.reasons(signals, stretch.count, seed, excluded=stretch.excluded)
        reasons.adopt(own, stretch.rows, stretch.name)
    return reasons


def _stretches(
    signals: Mapping[str, Array], budget: Decimal, stretches: Sequence[range], excluded: IntArray
) -> Iterator[_Stretch]:
    n_rows = len(signals["sample_ids"])
    usable = np.setdiff1d(np.arange(n_rows), excluded)
    budget_count(budget, len(usable))  # refuses a dataset without any
    n_chosen = 0
    for stretch in stretches:
        rows = usable[(usable >= stretch.start) & (usable < stretch.stop)]
        n_before = int(np.searchsorted(usable, stretch.stop))
        count = budget_count(budget, n_before) - n_chosen if len(rows) else 0
        n_chosen += count
        others = np.setdiff1d(np.arange(n_rows), rows)
        yield _Stretch(rows, others, count, f"rows {stretch.start:,} to {stretch[-1]:,}")


def _add_without_rank(reasons: Reasons, rows: IntArray, group: str) -> None:
    """Say of rows that nothing was chosen from them."""
    reasons.add(rows, np.zeros(len(rows), dtype=bool), Standing.of_one(NO_ROWS, group, len(rows)))
