"""Why rows were kept or not: one table for every method, from the arrays that it chose by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray, IntArray

REASONS = {
    "row": pl.Int64,
    "sample_id": pl.String,
    "kept": pl.Boolean,
    "score": pl.Float64,
    "score_name": pl.String,
    "group": pl.String,
    "rank_in_group": pl.Int64,
    "kept_of_group": pl.Int64,
    "stands_for_row": pl.Int64,
}
"""Columns of a table of reasons, one line per row of the dataset, in its order.

``score`` and its name: the number that the row is judged by. ``group``: the rows that it competes with; null where all
rows do. ``rank_in_group``: its place among them, 1 for the best; those up to ``kept_of_group`` are kept.
``stands_for_row``: of a dropped row, the nearest row kept of its group. Null where a method has no such number.
"""

_BLOCK_ROWS = 2**18


@dataclass(frozen=True)
class Standing:
    """How the rows stand with a method; rows are positions in ``sample_id`` order.

    Attributes:
        order: Rows, best first, such that the first ones of every group are kept; those left out have no rank.
        groups: The group that each row competes in, shape (n_samples,), as a position in ``group_names``.
        group_names: Names of the groups; empty if all rows compete with one another.
        scores: The number that each row is judged by, shape (n_samples,), NaN where there is none; None: by no number.
    """

    order: IntArray
    groups: IntArray
    group_names: Sequence[str] = ()
    scores: FloatArray | None = None

    @classmethod
    def of_all(cls, order: IntArray, *, scores: FloatArray | None = None) -> Self:
        """All rows, best first; they compete with one another."""
        return cls(order, np.zeros(len(order), dtype=np.int64), (), scores)

    @classmethod
    def of_one(cls, order: IntArray, group_name: str, n_samples: int) -> Self:
        """Rows of one group."""
        return cls(order, np.zeros(n_samples, dtype=np.int64), (group_name,))

    @classmethod
    def of_heads(
        cls, ranked_rows: IntArray, sizes: IntArray, group_names: Sequence[str], *, scores: FloatArray | None = None
    ) -> Self:
        """All rows, group after group, best first in each.

        Args:
            ranked_rows: Shape (n_samples,).
            sizes: Rows of each group, shape (n_groups,).
            group_names: Of the groups.
            scores: As the attribute.
        """
        groups = np.empty(len(ranked_rows), dtype=np.int64)
        groups[ranked_rows] = np.repeat(np.arange(len(sizes)), sizes)
        return cls(ranked_rows, groups, group_names, scores)

    @classmethod
    def of_clusters(cls, order: IntArray, labels: IntArray, *, scores: FloatArray | None = None) -> Self:
        """All rows, best first, which are kept in this order and not cluster by cluster, shape (n_samples,) each."""
        return cls(order, labels, [f"cluster {label}" for label in range(int(labels.max()) + 1)], scores)


class Reasons:
    """Reasons of all rows of a dataset, in its order; a table of them is made a block at a time.

    Attributes:
        kept: Which rows are kept, shape (n_rows,).
    """

    def __init__(self, sample_ids: NDArray[Any], *, score_name: str = "") -> None:
        """Nothing is known of any row yet; ``score_name``: what their scores are."""
        n_rows = len(sample_ids)
        self.kept = np.zeros(n_rows, dtype=bool)
        self._sample_ids = sample_ids
        self._score_name = score_name
        self._scores = np.full(n_rows, np.nan)
        self._groups = np.zeros(n_rows, dtype=np.int64)
        self._group_names: list[str | None] = []
        self._kept_of_group: list[int] = []
        self._ranks = np.zeros(n_rows, dtype=np.int64)  # 0: none
        self._stand_ins = np.full(n_rows, -1)  # -1: none

    def add(
        self, rows: IntArray, kept: NDArray[np.bool_], standing: Standing, *, stand_ins: IntArray | None = None
    ) -> None:
        """Say how some rows stand, which compete with no others.

        Args:
            rows: Rows of the dataset by the positions that the rest speaks of, shape (n_samples,).
            kept: Shape (n_samples,).
            standing: Of n_samples rows.
            stand_ins: As from ``core.stand_ins``, shape (n_samples,); None: the method compares no rows.
        """
        if not len(rows):
            return
        self.kept[rows] = kept
        if standing.scores is not None:
            self._scores[rows] = standing.scores
        self._groups[rows] = standing.groups + len(self._group_names)
        self._group_names += list(standing.group_names) or [None]
        kept_of_group = np.bincount(standing.groups, weights=kept, minlength=max(1, len(standing.group_names)))
        self._kept_of_group += kept_of_group.astype(np.int64).tolist()
        self._ranks[rows] = _ranks(standing.order, standing.groups)
        if stand_ins is not None:
            has_one = stand_ins >= 0
            self._stand_ins[rows[has_one]] = rows[stand_ins[has_one]]

    def adopt(self, other: Self, rows: IntArray, name: str) -> None:
        """Take over what another one says of some rows; ``name`` is put before their groups' names."""
        self._groups[rows] = other._groups[rows] + len(self._group_names)
        self._group_names += [name if group is None else f"{name}: {group}" for group in other._group_names]
        self._kept_of_group += other._kept_of_group
        for own, its in (
            (self.kept, other.kept),
            (self._scores, other._scores),
            (self._ranks, other._ranks),
            (self._stand_ins, other._stand_ins),
        ):
            own[rows] = its[rows]

    def blocks(self) -> Iterator[pl.DataFrame]:
        """The columns ``REASONS``, one line per row, in bounded memory."""
        names, kept_of_group = pl.Series(self._group_names, dtype=pl.String), np.array(self._kept_of_group)
        for start in range(0, len(self.kept), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            scores, groups, ranks, nearest = (
                values[block] for values in (self._scores, self._groups, self._ranks, self._stand_ins)
            )
            has_score = np.logical_not(np.isnan(scores))
            columns = {
                "row": np.arange(start, start + len(groups)),
                "sample_id": pl.Series(self._sample_ids[block], dtype=pl.String),
                "kept": self.kept[block],
                "score": pl.Series(scores).fill_nan(None),
                "score_name": _known(pl.repeat(self._score_name, len(groups), dtype=pl.String, eager=True), has_score),
                "group": names.gather(groups),
                "rank_in_group": _known(ranks, ranks > 0),
                "kept_of_group": kept_of_group[groups],
                "stands_for_row": _known(nearest, nearest >= 0),
            }
            yield pl.DataFrame(columns, schema=REASONS)

    def table(self) -> pl.DataFrame:
        """All blocks as one table."""
        return pl.concat(self.blocks())


def _known(values: IntArray | pl.Series, known: NDArray[np.bool_]) -> pl.Series:
    """The values where they are known, and null elsewhere."""
    return pl.Series(values).set(pl.Series(np.logical_not(known)), None)


def _ranks(order: IntArray, groups: IntArray) -> IntArray:
    """Place of each row among those of its group, from 1, shape (n_samples,); 0 for a row that has none."""
    by_group = order[np.argsort(groups[order], kind="stable")]
    sizes = np.bincount(groups[by_group])
    ranks = np.zeros(len(groups), dtype=np.int64)
    ranks[by_group] = np.arange(len(by_group)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    return ranks
