"""Read stored tables: nothing but a footer until a column is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.messages import first_line
from xmas_assets.contracts.remedies import how_to_make, how_to_make_again
from xmas_assets.files.notes import json_value
from xmas_assets.store.digests import ContentHasher

SUFFIX = ".parquet"
METADATA_KEY = b"xmas"
DIGEST_KEY = b"xmas.digest"
WRITE_KEY = b"xmas.write"  # the same for all tables that were written together
_TAKEN_FROM = 2048  # rows in memory at once while some are taken: 64 MiB of projected gradients


@dataclass(frozen=True)
class Table:
    """A stored table; nothing but its footer is read until a column is asked for.

    Attributes:
        path: The Parquet file.
        schema: Its Arrow schema.
        n_rows: Its rows.
        notes: The file's own key-value metadata.
    """

    path: Path
    schema: pa.Schema
    n_rows: int
    notes: Mapping[bytes, bytes]

    @classmethod
    def open(cls, path: Path) -> "Table":
        """Read the footer.

        Raises:
            StoreError: If the file is missing or damaged.
        """
        with reading(path):
            footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema().remove_metadata()
        return cls(path, schema, footer.num_rows, footer.metadata or {})

    @property
    def metadata(self) -> dict[str, str]:
        """Notes that were given with the table when it was written."""
        return json_value(self.notes.get(METADATA_KEY, b"{}"))

    @cached_property
    def digest(self) -> str:
        """Content hash (hex) of the rows, independent of the file's layout; computed if it was not stored."""
        return self.notes[DIGEST_KEY].decode() if DIGEST_KEY in self.notes else self.read_digest()

    def read_digest(self) -> str:
        """The same hash of the rows as they are now on disk, all of which are read.

        Raises:
            StoreError: If the file is damaged.
        """
        hasher = ContentHasher(self.schema)
        for batch in self.batches():
            hasher.update(batch)
        return hasher.hexdigest()

    @property
    def columns(self) -> list[str]:
        """Column names, in order."""
        return self.schema.names

    def scan(self) -> pl.LazyFrame:
        """The table as a lazy polars frame."""
        return pl.scan_parquet(self.path, hive_partitioning=False, glob=False)

    def frame(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The table, or some of its columns in the given order, as a polars frame in memory."""
        return pl.DataFrame(self.arrow(columns))

    def column(self, name: str) -> np.ndarray[Any, np.dtype[Any]]:
        """One column as an array, shape (n_rows,), or (n_rows, ...) for fixed-size lists.

        Text comes as an object array with None for null; a null number, or list of numbers, comes as NaN.
        """
        return pl.Series(name, self.arrow([name]).column(0)).to_numpy()

    def text(self, name: str) -> np.ndarray[Any, np.dtypes.StringDType]:
        """A column of text without null, shape (n_rows,), in numpy's strings: 16 bytes each, and no Python object."""
        values = np.empty(self.n_rows, dtype=np.dtypes.StringDType())
        start = 0
        for batch in self.batches([name]):
            values[start : start + len(batch)] = pl.Series(batch.column(0)).to_numpy()
            start += len(batch)
        return values

    def take(self, name: str, rows: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[Any]]:
        """Some rows of a column, in the order asked for, shape as ``column``; of the others, a batch is in memory."""
        return self.rows(rows, [name])[name].to_numpy()

    def rows(self, rows: np.ndarray[Any, np.dtype[np.int64]], columns: Sequence[str]) -> pl.DataFrame:
        """Some rows of some columns, in the order asked for; of the others, a batch is in memory."""
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        parts, start = [], 0
        for batch in self.batches(columns, n_rows=_TAKEN_FROM):
            low, high = np.searchsorted(ascending, (start, start + len(batch)))
            # Taken by Arrow, which copies: rows of a polars frame would keep the texts of the whole batch in memory.
            parts.append(pl.DataFrame(batch.take(pa.array(ascending[low:high] - start))))
            start += len(batch)
        return pl.concat(parts)[np.argsort(order, kind="stable")]

    def arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The table, or some of its columns in the given order, in memory.

        Raises:
            StoreError: If a column does not exist, or the file is missing or damaged.
        """
        self._check_columns(columns)
        with reading(self.path):
            return pq.ParquetFile(self.path).read(columns=None if columns is None else list(columns))

    def batches(self, columns: Sequence[str] | None = None, *, n_rows: int = 16_384) -> Iterator[pa.RecordBatch]:
        """The rows in order, at most ``n_rows`` at a time, so that memory does not grow with the table."""
        self._check_columns(columns)
        # Buffered beforehand, the whole file would be in memory at the end.
        with reading(self.path), pq.ParquetFile(self.path, pre_buffer=False) as file:
            yield from file.iter_batches(n_rows, columns=None if columns is None else list(columns))

    def _check_columns(self, columns: Sequence[str] | None) -> None:
        missing = [name for name in columns or () if name not in self.columns]
        if missing:
            raise StoreError(f"{self.path} has no column {missing[0]!r}; it has {', '.join(self.columns)}")


def open_tables(directory: Path) -> dict[str, Table]:
    """The tables of an asset's partition by name; only their footers are read.

    Raises:
        StoreError: If nothing was written yet, a table is damaged, or a write was killed half-way through its renames.
    """
    paths = sorted(directory.glob(f"*{SUFFIX}"))
    asset, keys = _read_off(directory)
    partition = f" of {', '.join(f'{name} {key!r}' for name, key in keys.items())}" if keys else ""
    if not paths:
        raise StoreError(f"{asset}{partition} has not been made yet; {how_to_make(asset, **_known(keys))}")
    tables = {path.name.removesuffix(SUFFIX): Table.open(path) for path in paths}
    if len({table.notes.get(WRITE_KEY) for table in tables.values()}) > 1:
        raise StoreError(f"{asset}{partition} was interrupted while it was replaced; {remedy_for(directory)}")
    return tables


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the errors of a file that cannot be read into ours."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror or error}); {remedy_for(path.parent)}") from error
    except pa.ArrowInvalid as error:
        raise StoreError(f"{path} is damaged ({first_line(error)}); {remedy_for(path.parent)}") from error


def remedy_for(directory: Path, *, is_sound: bool = False) -> str:
    """How the tables in an asset's folder are made again, as the end of a message.

    Args:
        directory: The folder.
        is_sound: Whether they are what was put there, so that they count as up to date.
    """
    asset, keys = _read_off(directory)
    if is_sound:
        return how_to_make_again(asset, folder=str(directory), **_known(keys))
    return how_to_make(asset, **_known(keys))


def _known(keys: Mapping[str, str]) -> dict[str, Any]:
    """A partition's keys as ``how_to_make`` takes them."""
    known: dict[str, Any] = {"dataset": keys["dataset"]} if "dataset" in keys else {}
    return known | ({"selection": SelectionKey.parse(keys["selection"])} if "selection" in keys else {})


def _read_off(directory: Path) -> tuple[str, dict[str, str]]:
    """Asset name, and the keys of its partition, read off the path."""
    keys: dict[str, str] = {}
    while "=" in directory.name:
        name, _, key = directory.name.partition("=")
        keys = {name: unquote(key)} | keys
        directory = directory.parent
    return directory.name, keys
