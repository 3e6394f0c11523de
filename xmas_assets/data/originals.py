"""A dataset's original records written again: the same bytes, or the same values in Parquet. Nothing is interpreted."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from xmas_assets.data.json_slices import RawSlice, line_slices, list_slices, on_one_line, wrapped_slices, write_records
from xmas_assets.data.parquet_records import parquet_batches, shared_schema
from xmas_assets.data.readers import Container, detect_container

_SLICES: dict[Container, Callable[[Path], Iterator[RawSlice]]] = {
    "list": list_slices,
    "wrapped": wrapped_slices,
    "lines": line_slices,
}
COPIED: tuple[Container, ...] = ("parquet", *_SLICES)
"""Sources whose records can be written again as they are."""


def write_originals(paths: Sequence[Path], wanted: Sequence[set[int]], target: Path, *, container: Container) -> int:
    """Write the wanted records in source order.

    Args:
        paths: Annotation files: all Parquet, or JSON lists and JSON lines.
        wanted: By file, the rows.
        target: File to write.
        container: What it becomes: Parquet if the files are, else a JSON list or JSON lines.

    Returns:
        Records written.
    """
    if container == "parquet":
        return _write_parquet(paths, wanted, target)
    lines = container == "lines"
    return write_records(_json_records(paths, wanted, lines=lines), target, lines=lines)


def _json_records(paths: Sequence[Path], wanted: Sequence[set[int]], *, lines: bool) -> Iterator[bytes]:
    for path, rows in zip(paths, wanted, strict=True):
        source = detect_container(path)
        for row, piece in enumerate(_SLICES[source](path)):
            if row in rows:
                yield on_one_line(piece.raw) if lines and source != "lines" else piece.raw


def _write_parquet(paths: Sequence[Path], wanted: Sequence[set[int]], target: Path) -> int:
    n_written = 0
    schema = shared_schema(tuple(paths))
    with pq.ParquetWriter(target, schema) as writer:
        for path, rows in zip(paths, wanted, strict=True):
            start = 0
            for batch in parquet_batches(path):
                chosen = [row - start for row in range(start, start + batch.num_rows) if row in rows]
                if chosen:
                    writer.write_batch(batch.take(pa.array(chosen)).cast(schema))
                start += batch.num_rows
                n_written += len(chosen)
    return n_written
