"""Columns of a Parquet file as a table that need not fit in memory."""

import mmap
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_IN_MEMORY = 512 * 2**20
"""Bytes of columns up to which a table is held in memory."""
_AT_ONCE = 16_384  # rows


def read_table(path: Path, columns: Sequence[str], *, in_memory: int = _IN_MEMORY) -> pa.Table:
    """Some columns of a Parquet file, in the given order.

    More bytes than ``in_memory`` are copied into a file without a name beside it, and the table lies in pages of that
    file: the system drops them where memory is short, and they are gone with the last process that looks at them.

    Raises:
        OSError: If the file cannot be read, or there is no room for the copy.
        pa.ArrowException: If the file is damaged.
    """
    # Buffered beforehand, the whole file would be in memory at the end of a copy.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        if _bytes_of(file.metadata, set(columns)) <= in_memory:
            return file.read(columns=list(columns))
        schema = pa.schema([file.schema_arrow.field(name) for name in columns])
        with tempfile.TemporaryFile(dir=path.parent) as copy:
            with pa.ipc.new_file(copy, schema) as writer:
                for batch in file.iter_batches(_AT_ONCE, columns=list(columns)):
                    writer.write_batch(batch.select(list(columns)).cast(schema))
            copy.flush()
            pages = mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(pages))).read_all()


def _bytes_of(footer: pq.FileMetaData, columns: set[str]) -> int:
    """Bytes of the columns, decoded but for what repeats."""
    groups = (footer.row_group(index) for index in range(footer.num_row_groups))
    chunks = (group.column(index) for group in groups for index in range(group.num_columns))
    return sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns)
