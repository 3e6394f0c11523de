"""Content hashes of tables: the same for the same values, however they are chunked, compressed or laid out."""

import hashlib
import json
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl
import pyarrow as pa

_ROWS = 16_384  # hashed at once, so that the digest does not depend on the producer's batches


class ContentHasher:
    """SHA-256 over a table's column names, types and values, fed batch by batch.

    Two tables with the same digest have the same rows in the same order. Arrow's large and small variants of a type
    count as one.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._hash = hashlib.sha256(repr([(field.name, _kind(field.type)) for field in schema]).encode())
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._n_waiting = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        while batch.num_rows:
            taken = batch.slice(0, _ROWS - self._n_waiting)
            self._waiting.append(taken)
            self._n_waiting += taken.num_rows
            batch = batch.slice(taken.num_rows)
            if self._n_waiting == _ROWS:
                self._flush()

    def hexdigest(self) -> str:
        """The digest of all rows so far, hex; nothing may be added afterwards."""
        self._flush()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._waiting, self._schema)
        self._waiting, self._n_waiting = [], 0
        for column in table.columns:
            # Arrow makes an array out of no chunks by way of pandas, too.
            for part in _parts(column.combine_chunks() if column.num_chunks else pa.nulls(0, column.type)):
                self._hash.update(len(part).to_bytes(8, "little"))
                self._hash.update(part)


def table_digest(tables: pl.DataFrame | pa.Table | Mapping[str, pl.DataFrame | pa.Table]) -> str:
    """Content hash (hex SHA-256) of one table in memory, or of several by name, in any order of the names.

    A stored table carries its own as ``Table.digest``.
    """
    if isinstance(tables, Mapping):
        digests = {name: table_digest(table) for name, table in tables.items()}
        return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
    table = tables.to_arrow() if isinstance(tables, pl.DataFrame) else tables
    hasher = ContentHasher(table.schema)
    for batch in table.to_batches():
        hasher.update(batch)
    return hasher.hexdigest()


def _kind(kind: pa.DataType) -> str:
    """A type's name, the same for Arrow's large and small variants."""
    if pa.types.is_fixed_size_list(kind):
        return f"array[{_kind(kind.value_type)}, {kind.list_size}]"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list[{_kind(kind.value_type)}]"
    if pa.types.is_struct(kind):
        return f"struct[{', '.join(f'{field.name}: {_kind(field.type)}' for field in kind)}]"
    return str(kind).removeprefix("large_")


def _parts(array: pa.Array) -> Iterable[memoryview | bytes]:
    """Bytes that determine the array's values: which are null, then the values that are not."""
    yield np.packbits(np.frombuffer(_values(array.is_valid()), np.uint8)).tobytes()
    present = array.drop_null()
    kind = array.type
    if pa.types.is_struct(kind):
        for field in present.flatten():
            yield from _parts(field)
    elif pa.types.is_fixed_size_list(kind):
        yield from _parts(present.flatten())
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield _values(present.value_lengths().cast(pa.int64()))
        yield from _parts(present.flatten())
    elif _kind(kind) in {"string", "binary"}:
        values = present.cast(pa.large_binary()).to_pylist()
        yield np.fromiter(map(len, values), np.int64, len(values)).tobytes()
        yield b"".join(values)
    elif pa.types.is_primitive(kind):
        yield _values(present)
    elif not pa.types.is_null(kind):
        raise TypeError(f"columns of type {kind} have no content hash; use numbers, text, lists or structs of them")


def _values(array: pa.Array) -> memoryview | bytes:
    """The values of a primitive array without nulls, as numpy has them in memory.

    Not by Arrow's own conversion to numpy: it loads pandas, which takes longer than most commands.
    """
    kind = array.type
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pa.types.is_date32(kind):
        array = array.cast(pa.int32()).cast(pa.int64())
    width, buffer = array.type.bit_width // 8, array.buffers()[1]
    return memoryview(buffer)[array.offset * width : (array.offset + len(array)) * width] if len(array) else b""
