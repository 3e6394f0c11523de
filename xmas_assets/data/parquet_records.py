"""Records out of Parquet shards (Hugging Face style, images as bytes), a few rows at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.json_records import RawRecord

BATCH_ROWS = 64  # rows with a few megabytes of image each still fit easily
_BUFFER_BYTES = 1 << 20


def shared_schema(paths: tuple[Path, ...]) -> pa.Schema:
    """The one schema that all shards have; a column that is null throughout a shard has the others' type.

    Raises:
        DatasetError: If a shard cannot be read, or a shard's schema differs.
    """
    schema = _opened(paths[0]).schema_arrow
    for path in paths[1:]:
        other = _opened(path).schema_arrow
        joined = _joined(schema, other)
        if joined is None:
            raise DatasetError(
                f"{path.name}: its columns {_columns(other)} differ from those of {paths[0].name}, {_columns(schema)}; "
                "register shards of one schema only"
            )
        schema = joined
    return schema


def _joined(schema: pa.Schema, other: pa.Schema) -> pa.Schema | None:
    """The schema of both, None if they differ in more than nulls: names, their order, or types."""
    if other.equals(schema, check_metadata=False):
        return schema
    if other.names != schema.names:
        return None
    try:
        return pa.unify_schemas([schema, other])
    except pa.ArrowException:
        return None


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a shard in order, at most ``BATCH_ROWS`` at a time; memory grows with the page, not the row group.

    Raises:
        DatasetError: If the file or one of its row groups is damaged.
    """
    n_rows = 0
    try:
        for batch in _opened(path).iter_batches(batch_size=BATCH_ROWS):
            yield batch
            n_rows += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        problem = " ".join(str(error).split())[:200]
        raise DatasetError(f"{path.name}: damaged after row {n_rows} ({problem}); get the file again") from None


def parquet_records(path: Path, source_file: int) -> Iterator[RawRecord]:
    """Records of a shard as dicts of its columns; image bytes stay bytes.

    Raises:
        DatasetError: If the file or one of its row groups is damaged.
    """
    yield from batch_records(parquet_batches(path), source_file)


def batch_records(batches: Iterable[pa.RecordBatch], source_file: int) -> Iterator[RawRecord]:
    """The rows of batches as records; one whose text is not UTF-8 comes with that reason."""
    row = 0
    for batch in batches:
        n_bytes = batch.nbytes // batch.num_rows
        for offset, value in enumerate(_values(batch)):
            if isinstance(value, UnicodeDecodeError):
                detail = f"byte {value.start} of a text is not UTF-8"
                yield RawRecord(source_file, row + offset, None, n_bytes, None, Reason.BAD_ENCODING, detail)
            else:
                yield RawRecord(source_file, row + offset, None, n_bytes, value)
        row += batch.num_rows


def _values(batch: pa.RecordBatch) -> list[Any]:
    """Python values of the rows; a row whose text is not UTF-8 gives its error instead (Parquet does not check)."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError as error:
        if batch.num_rows == 1:
            return [error]
        return [value for row in range(batch.num_rows) for value in _values(batch.slice(row, 1))]


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        problem = " ".join(str(error).split())[:200]
        raise DatasetError(f"{path.name}: not a readable Parquet file ({problem}); get the file again") from None


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)[:300]
