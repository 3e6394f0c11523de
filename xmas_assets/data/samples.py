"""Checked samples as a sequence over an Arrow table: rows become Python objects only when asked for."""

import bisect
import hashlib
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.data.mapped_tables import read_table
from xmas_assets.files.whole import file_stamps

SAMPLE_COLUMNS = ("sample_id", "task", "images", "image_hashes", "turns")
LOSS_WEIGHTS = "loss_weights"
"""A column that a table of samples may have, and is read if it is there."""
_AT_ONCE = 65_536  # rows
DIGEST_COLUMNS = ("sample_id", "task", "digest")


class Samples(Sequence[Sample]):
    """The rows of a ``samples`` or ``test`` table; position i is the row whose ``row`` column is i."""

    def __init__(self, table: pa.Table, rows: Sequence[int] | None = None, *, stored: Path | None = None) -> None:
        """Look at a table, or at some of its rows.

        Args:
            table: With at least the columns ``SAMPLE_COLUMNS``, as ``sample_columns`` names them.
            rows: Positions in the table, each in 0..n_rows-1, in any order; default all.
            stored: The Parquet file that all of the table comes from, if it does; pickled samples are read there again.

        Raises:
            StoreError: If a column is missing.
        """
        self._columns = sample_columns(table.column_names)
        self._table = _with_columns(table, self._columns)
        self._batches = self._table.to_batches()
        self._ends = list(accumulate(batch.num_rows for batch in self._batches))
        self._rows = range(table.num_rows) if rows is None else rows
        self._stored = None if stored is None else (stored, *file_stamps([stored]))

    @classmethod
    def open(cls, path: Path) -> "Samples":
        """Samples out of a Parquet file; only the needed columns are read.

        Raises:
            StoreError: If the file is missing, damaged or has other columns.
        """
        try:
            return cls(read_table(path, sample_columns(pq.read_schema(path).names)))
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{path}: samples cannot be read ({error}); read the dataset again") from None

    def __reduce__(self) -> tuple[Callable[..., "Samples"], tuple[Any, ...]]:
        """As the address of the file with the positions of rows, if they come from one; else with the rows."""
        if self._stored is None:
            return Samples, (self._table.take(list(self._rows)),)
        return _read_again, (*self._stored, self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "Samples": ...
    def __getitem__(self, index: int | slice) -> "Sample | Samples":
        """One sample, or those of a slice."""
        if isinstance(index, slice):
            return self._at(self._rows[index])
        row = self._rows[index]
        place = bisect.bisect_right(self._ends, row)
        batch = self._batches[place]
        offset = row - (self._ends[place] - batch.num_rows)
        return _sample({name: batch[name][offset].as_py() for name in self._columns})

    def take(self, rows: Sequence[int]) -> "Samples":
        """The samples at the given positions, in the given order; nothing is copied.

        Raises:
            IndexError: If a position is not in 0..n-1.
        """
        if any(not 0 <= row < len(self) for row in rows):
            raise IndexError(f"a row is outside 0..{len(self) - 1}")
        return self._at([self._rows[int(row)] for row in rows])

    def _at(self, rows: Sequence[int]) -> "Samples":
        chosen = Samples(self._table, rows)
        chosen._stored = self._stored
        return chosen


def sample_columns(held: Sequence[str]) -> tuple[str, ...]:
    """The columns that samples are read from, of a table that has some."""
    return (*SAMPLE_COLUMNS, LOSS_WEIGHTS) if LOSS_WEIGHTS in held else SAMPLE_COLUMNS


def dataset_digest(table: pa.Table) -> str:
    """Hex SHA-256 of a dataset's content: ids, tasks, turns and image bytes; the order of the rows does not matter.

    Args:
        table: With the columns ``sample_id``, ``task`` and ``digest``.

    Raises:
        StoreError: If one of them is missing.
    """
    rows = pl.DataFrame(_with_columns(table, DIGEST_COLUMNS))
    order = rows.select(pl.arg_sort_by("sample_id", maintain_order=True)).to_series()  # and no sorted copy of all
    task, zero = pl.col("task").cast(pl.String).fill_null(""), pl.lit("\x00")
    line = pl.concat_str("sample_id", zero, task, zero, "digest", pl.lit("\n"))
    total = hashlib.sha256()
    for start in range(0, len(order), _AT_ONCE):
        total.update(rows[order[start : start + _AT_ONCE]].select(line.str.join("")).item().encode())
    return total.hexdigest()


def _read_again(path: Path, stamps: tuple[Any, ...], rows: Sequence[int]) -> Samples:
    """Samples out of the file that they were read from.

    Raises:
        StoreError: If it has changed since.
    """
    samples = Samples.open(path)
    if file_stamps([path])[0][1:3] != stamps[1:3]:  # other machines may see other inodes
        raise StoreError(f"{path} was made again while work on it was under way; run again")
    return Samples(samples._table, rows, stored=path)


def _with_columns(table: pa.Table, names: tuple[str, ...]) -> pa.Table:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise StoreError(f"the table has no column {', '.join(missing)}; it was not made by reading a dataset")
    return table.select(list(names))


def _sample(row: dict[str, Any]) -> Sample:
    return Sample(
        sample_id=row["sample_id"],
        turns=tuple(Turn(turn["role"], turn["text"]) for turn in row["turns"]),
        images=tuple(row["images"]),
        image_hashes=tuple(row["image_hashes"]),
        task=row["task"],
        loss_weights=tuple(row.get(LOSS_WEIGHTS) or ()),
    )
