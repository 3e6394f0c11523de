"""Why rows were kept or not: one table for every method, from the arrays that it chose by."""

from collections.abc import Sequence
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


def reasons_table(
    standing: Standing,
    kept: NDArray[np.bool_],
    *,
    rows: IntArray,
    sample_ids: NDArray[Any],
    score_name: str = "",
    stand_ins: IntArray | None = None,
) -> pl.DataFrame:
    """The columns ``REASONS`` of rows given by their positions in ``sample_id`` order, by ascending row of the dataset.

    Args:
        standing: Of n_samples rows.
        kept: Shape (n_samples,).
        rows: Their rows of the dataset, shape (n_samples,).
        sample_ids: Their names, shape (n_samples,).
        score_name: What their score is.
        stand_ins: As from ``core.stand_ins``, shape (n_samples,); None: the method compares no rows.
    """
    n_samples = len(kept)
    # Each column is put in order by itself: a sorted table would be all of them twice.
    place = np.argsort(rows, kind="stable")
    groups = standing.groups[place]
    scores = np.full(n_samples, np.nan) if standing.scores is None else standing.scores[place].astype(np.float64)
    has_score = np.logical_not(np.isnan(scores))
    names = pl.Series(list(standing.group_names) or [None], dtype=pl.String)
    n_kept = np.bincount(standing.groups, weights=kept).astype(np.int64)
    ranks = _ranks(standing.order, standing.groups)[place]
    nearest = np.full(n_samples, -1) if stand_ins is None else stand_ins[place]
    columns = {
        "row": rows[place],
        "sample_id": pl.Series(sample_ids[place], dtype=pl.String),
        "kept": kept[place],
        "score": pl.Series(scores).fill_nan(None),
        "score_name": _known(pl.repeat(score_name, n_samples, dtype=pl.String, eager=True), has_score),
        "group": names.gather(groups),
        "rank_in_group": _known(ranks, ranks > 0),
        "kept_of_group": n_kept[groups],
        "stands_for_row": _known(rows[nearest], nearest >= 0),
    }
    return pl.DataFrame(columns, schema=REASONS)


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
