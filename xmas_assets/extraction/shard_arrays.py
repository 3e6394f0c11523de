"""Values of rows as a pass leaves them, an array file per shard, and how they are read in the dataset's order."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from xmas_assets.contracts.samples import Reason
from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.scale.shards import Shard

#: In the place of a number that is at least 0, why a row has no values.
MARKS = {Reason.TOO_LONG: -1, Reason.EMPTY_ANSWER: -2, Reason.IMAGE_REFUSED: -3}
ShardArray = tuple[IntArray, Path]
"""Rows, and the file that holds their values in that order: shape (n_rows, *shape of a row's value), float32."""

_BLOCK_ROWS = 65536
_BLOCK_BYTES = 64 << 20


def in_dataset_order(
    arrays: Sequence[ShardArray], n_rows: int, shape: tuple[int, ...]
) -> Iterator[tuple[range, FloatArray]]:
    """Give all rows' values in the order of the dataset, a block of bounded size after the other.

    Args:
        arrays: No row is in two of them.
        n_rows: Of the dataset.
        shape: Of one row's value.

    Returns:
        Rows, and their values, shape (n_rows of the block, *shape), the caller's own; NaN for rows in none.
    """
    places = np.full((n_rows, 2), -1, dtype=np.int64)
    for number, (rows, _) in enumerate(arrays):
        places[rows, 0], places[rows, 1] = number, np.arange(len(rows))
    step = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // (4 * math.prod(shape))))
    for start in range(0, n_rows, step):
        numbers, offsets = places[start : start + step].T
        values = np.full((len(numbers), *shape), np.nan, dtype=np.float32)
        for number in np.unique(numbers[numbers >= 0]):
            # Opened anew for each block: a dataset has more shards than a process may have open files.
            array = np.load(arrays[number][1], mmap_mode="r")
            values[numbers == number] = array[offsets[numbers == number]]
        yield range(start, start + len(values)), values


def split_columns(values: FloatArray, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FloatArray]:
    """Views of a signal's columns in its values with the mark of whether a row was read in front.

    Args:
        values: As ``Extracted.shard_arrays`` has them, shape (n_rows, 1 + width).
        shapes: Of one row's value in each column.

    Returns:
        Each of shape (n_rows, width of the column).
    """
    ends = np.cumsum([1, *map(math.prod, shapes.values())])
    return dict(zip(shapes, np.split(values, ends[:-1], axis=1)[1:], strict=True))


def save_array(unfinished: Path, values: FloatArray) -> None:
    """Write an array to a file of any name; ``np.save`` would give a path another ending."""
    with unfinished.open("wb") as file:
        np.save(file, values)


def bytes_to_come(files: Mapping[Shard, Path], n_rows: int, width: int) -> int:
    """How much will be written: the shards that are not there yet, and then a table of all rows (hardly compressible).

    Args:
        files: Of the shards.
        n_rows: Of the table.
        width: Numbers of one row.
    """
    n_lacking = sum(shard.n_items for shard, path in files.items() if not path.exists())
    return 4 * width * (n_lacking + n_rows)
