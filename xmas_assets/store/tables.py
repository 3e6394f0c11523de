"""Our artifacts as Parquet: one directory per asset partition, one file per table.

A reader sees the old tables or the new ones, regardless of what happens in between.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import cast
from urllib.parse import quote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.whole import UNFINISHED, link_or_copy, remove_unfinished, rename_all, sync
from xmas_assets.store.digests import ContentHasher, table_digest
from xmas_assets.store.reading import DIGEST_KEY, METADATA_KEY, SUFFIX, WRITE_KEY, Table, open_tables

__all__ = ["Table", "move_tables", "open_tables", "partition_directory", "table_digest", "write_tables"]

Frame = pl.DataFrame | pl.LazyFrame | pa.Table
_STAGED = SUFFIX + UNFINISHED
_GROUP_BYTES = 64 << 20
_GROUP_ROWS = 65_536
_VARIABLE_BYTES = 256  # assumed size of a text or list value when row groups are sized


def partition_directory(root: Path, asset: str, **partitions: str) -> Path:
    """Where the tables of an asset's partition lie: ``root/asset/dataset=<key>/selection=<key>``.

    Every key is percent-quoted, so that none can leave its folder or be read as something else.

    Example:
        >>> partition_directory(Path("tables"), "clusters", dataset="a/b").as_posix()
        'tables/clusters/dataset=a%2Fb'
    """
    return root.joinpath(asset, *(f"{name}={quote(key, safe='')}" for name, key in partitions.items()))


def write_tables(
    directory: Path,
    tables: Mapping[str, Frame] | Iterable[tuple[str, pa.RecordBatch]],
    *,
    schemas: Mapping[str, pa.Schema] | None = None,
    optional: Sequence[pa.Field] = (),
    metadata: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Replace the tables of a directory by these.

    Everything is first written under temporary names and flushed to disk, then renamed in one go, so a kill leaves
    the old tables. (A kill between two renames is noticed by ``open_tables``.) Left-overs of a killed write are
    removed. Equal content gives equal bytes, however it was cut into batches. One writer per directory at a time.

    Args:
        directory: Made if it does not exist; tables in it that are not among the new ones are removed.
        tables: Frames by table name; or a stream of table names and record batches, interleaved as they come, which
            is written in bounded memory.
        schemas: Arrow schemas by table name: batches are cast to them, and a table in it that gets no batch is
            written empty. Default: the schema of each table's first batch.
        optional: Further columns of the tables in ``schemas``: each has those that its first batch has.
        metadata: Stored in every table's footer.

    Returns:
        Rows by table name.

    Raises:
        StoreError: If the disk is full or the directory cannot be written; the old tables are intact.
        ValueError: If a batch does not fit its schema.
    """
    schemas = schemas or {}
    writers: dict[str, _TableWriter] = {}
    with _replacing(directory):
        try:
            for name, batch in _batches(tables):
                if name not in writers:
                    schema = _schema_of(batch, schemas.get(name), optional)
                    writers[name] = _TableWriter(directory / f"{name}{_STAGED}", schema)
                writers[name].write(batch)
            for name in schemas.keys() - writers.keys():
                writers[name] = _TableWriter(directory / f"{name}{_STAGED}", schemas[name])
            _finish(writers, metadata or {})
        except BaseException:
            for writer in writers.values():
                writer.abandon()
            raise
        _publish(directory, set(writers))
    return {name: writer.n_rows for name, writer in writers.items()}


def move_tables(source: Path, directory: Path) -> None:
    """Replace the tables of a directory by the finished ones of another, then remove them there.

    A kill leaves them in at least one of the two places.

    Args:
        source: Directory that ``write_tables`` has filled.
        directory: Made if it does not exist.

    Raises:
        StoreError: If ``source`` holds no tables, or ``directory`` cannot be written.
    """
    tables = open_tables(source)
    with _replacing(directory):
        for name, table in tables.items():
            link_or_copy(table.path, directory / f"{name}{_STAGED}")
        _publish(directory, set(tables))
        for table in tables.values():
            table.path.unlink()


@contextmanager
def _replacing(directory: Path) -> Iterator[None]:
    """Make the directory and clear it of what a killed write left; report a full or read-only disk."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        remove_unfinished(directory)
        yield
    except OSError as error:
        raise StoreError(
            f"{directory} cannot be written ({error.strerror or error}); earlier tables are intact: free some space or "
            "make the folder writable, then run again"
        ) from error


class _TableWriter:
    """One Parquet file under its temporary name, in row groups that depend on the schema alone."""

    def __init__(self, unfinished: Path, schema: pa.Schema) -> None:
        self.path = unfinished
        self.n_rows = 0
        self._schema = schema.remove_metadata()
        self.hasher = ContentHasher(self._schema)
        self._group_rows = max(1, min(_GROUP_ROWS, _GROUP_BYTES // sum(map(_width, self._schema.types), start=1)))
        self._waiting: list[pa.RecordBatch] = []
        self._n_waiting = 0
        self._file = pq.ParquetWriter(unfinished, self._schema, compression="zstd")

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; whole row groups go to the file."""
        if batch.schema.names != self._schema.names:
            batch = batch.select(self._schema.names)
        batch = batch.cast(self._schema)
        self.hasher.update(batch)
        self.n_rows += batch.num_rows
        while batch.num_rows:
            taken = batch.slice(0, self._group_rows - self._n_waiting)
            self._waiting.append(taken)
            self._n_waiting += taken.num_rows
            batch = batch.slice(taken.num_rows)
            if self._n_waiting == self._group_rows:
                self._flush()

    def finish(self, notes: Mapping[bytes, bytes]) -> None:
        """Write what is left and the footer."""
        if self._n_waiting or self.n_rows == 0:
            self._flush()
        self._file.add_key_value_metadata(notes)
        self._file.close()

    def abandon(self) -> None:
        """Remove the temporary file."""
        self._file.is_open = False  # a footer for a file that goes away could only fail again on a full disk
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        group = pa.Table.from_batches(self._waiting, self._schema).combine_chunks()
        self._file.write_table(group, row_group_size=self._group_rows)
        self._waiting, self._n_waiting = [], 0


def _batches(
    tables: Mapping[str, Frame] | Iterable[tuple[str, pa.RecordBatch]],
) -> Iterator[tuple[str, pa.RecordBatch]]:
    if not isinstance(tables, Mapping):
        yield from tables
        return
    for name, frame in cast(Mapping[str, Frame], tables).items():
        if isinstance(frame, pl.LazyFrame):
            parts = chain([frame.collect_schema().to_frame()], frame.collect_batches(maintain_order=True))
        else:
            parts = [frame]
        for part in parts:
            table = part.to_arrow() if isinstance(part, pl.DataFrame) else part
            yield name, pa.RecordBatch.from_pylist([], schema=table.schema)  # so that an empty frame is written too
            yield from ((name, batch) for batch in table.to_batches())


def _schema_of(batch: pa.RecordBatch, schema: pa.Schema | None, optional: Sequence[pa.Field]) -> pa.Schema:
    """A table's schema by what is asked for and its first batch."""
    if schema is None:
        return batch.schema
    return pa.schema([*schema, *(field for field in optional if field.name in batch.schema.names)])


def _finish(writers: Mapping[str, _TableWriter], metadata: Mapping[str, str]) -> None:
    digests = {name: writer.hasher.hexdigest() for name, writer in writers.items()}
    noted = json.dumps(dict(metadata), sort_keys=True)
    write_id = hashlib.sha256(json.dumps([digests, noted], sort_keys=True).encode()).hexdigest()
    for name, writer in writers.items():
        notes = {METADATA_KEY: noted.encode(), DIGEST_KEY: digests[name].encode(), WRITE_KEY: write_id.encode()}
        writer.finish(notes)


def _publish(directory: Path, names: set[str]) -> None:
    """Rename all tables, then remove those of an earlier write that have no successor."""
    rename_all({directory / f"{name}{_STAGED}": directory / f"{name}{SUFFIX}" for name in sorted(names)})
    for path in directory.glob(f"*{SUFFIX}"):
        if path.name.removesuffix(SUFFIX) not in names:
            path.unlink()
    sync(directory)


def _width(kind: pa.DataType) -> int:
    """Bytes of one value, roughly."""
    if pa.types.is_fixed_size_list(kind):
        return kind.list_size * _width(kind.value_type)
    return max(1, kind.bit_width // 8) if pa.types.is_primitive(kind) else _VARIABLE_BYTES
