"""A signal as the pass leaves it: an array file per shard, given as a table in a stream."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.contracts.samples import Reason, Sample
from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.extraction.shard_arrays import MARKS, ShardArray, in_dataset_order, split_columns
from xmas_assets.scale.row_tables import ROW_FIELDS, row_columns


@dataclass(frozen=True)
class Extracted:
    """One signal's table, on disk.

    Attributes:
        shard_arrays: Rows in each shard's file, which holds for each of them whether it was read (1, or why not:
            ``MARKS``) and then its columns' values, flat, shape (n_rows, 1 + width), float32; NaN where a row has no
            value.
        shapes: Shape of one row's value in each column, () for a number; signals read at every checkpoint have a
            leading axis for it.
        samples: The dataset's, in row order.
        steps: Optimiser steps of the checkpoints it was read at, ascending.
        notices: What a person should know about how it was made.
    """

    shard_arrays: Sequence[ShardArray]
    shapes: Mapping[str, tuple[int, ...]]
    samples: Sequence[Sample]
    steps: tuple[int, ...]
    notices: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """Columns ``row``, ``sample_id``, and the signal's: float32, or fixed-size lists that hold ``shapes`` flat."""
        return pa.schema([*ROW_FIELDS, *(_field(name, shape) for name, shape in self.shapes.items())])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give all rows in dataset order; NaN where a row has no value."""
        schema = self.schema
        for rows, columns in self.blocks():
            arrays = [_arrow(columns[name], shape) for name, shape in self.shapes.items()]
            yield pa.record_batch([*row_columns(self.samples, rows), *arrays], schema=schema)

    def blocks(self) -> Iterator[tuple[range, dict[str, NDArray[np.float32]]]]:
        """Give some rows after the other in dataset order, and each column's values of them, flat."""
        width = sum(map(math.prod, self.shapes.values()))
        for rows, values in in_dataset_order(self.shard_arrays, len(self.samples), (1 + width,)):
            yield rows, split_columns(values, self.shapes)


def _field(name: str, shape: tuple[int, ...]) -> pa.Field:
    """A number, or a flat list."""
    kind = pa.list_(pa.float32(), math.prod(shape)) if shape else pa.float32()
    return pa.field(name, kind, nullable=False)


def _arrow(values: NDArray[np.float32], shape: tuple[int, ...]) -> pa.Array:
    """Values of shape (n_rows, n) as ``_field`` has them."""
    flat = pa.array(values.ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]) if shape else flat


def note_left_out(
    samples: Sequence[Sample], shard_marks: Iterable[tuple[IntArray, FloatArray]], lacking: str, *, max_tokens: int
) -> tuple[str, ...]:
    """Say of how many rows there are no values and why, a notice for each reason.

    Args:
        samples: The dataset's, in row order.
        shard_marks: Rows, and for each of them a number out of ``MARKS`` if it has no values.
        lacking: What they lack, in words.
        max_tokens: Of the base model.
    """
    pairs = [(rows[marks < 0], marks[marks < 0]) for rows, marks in shard_marks]
    notices = []
    for reason, mark in MARKS.items():
        rows = sorted(row for own, marks in pairs for row in own[marks == mark].tolist())
        if rows:
            names = ", ".join(samples[row].sample_id[:80] for row in rows[:3])
            why = _WHY[reason].format(max_tokens=max_tokens)
            notices.append(f"{len(rows)} samples have no {lacking}: {why}: {names}")
    return tuple(notices)


_WHY = {
    Reason.TOO_LONG: "with {max_tokens} tokens (base_model.max_tokens) an image or all of the answer would be cut off",
    Reason.EMPTY_ANSWER: "their answers have no token",
    Reason.IMAGE_REFUSED: "the model's processor refuses an image of theirs",
}
