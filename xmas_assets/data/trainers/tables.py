"""Rows as Parquet files, a few rows in memory at a time."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xmas_assets.data.trainers.features import Features, arrow_schema
from xmas_assets.data.trainers.rows import Row, Rows
from xmas_assets.files.whole import rename_all

BATCH_ROWS = 64
SHARD_BYTES = 500_000_000


def write_table(rows: Rows, path: Path, *, features: Features, made: Callable[[Row], dict[str, Any]]) -> None:
    """Write the rows to one file; the columns beside turns and pictures are added to what ``made`` gives."""
    with pq.ParquetWriter(path, arrow_schema(features)) as writer:
        for batch in _batches(rows, features, made):
            writer.write_batch(batch)


def write_marked_table(rows: Rows, path: Path) -> None:
    """Write the rows to one file, ``messages`` with ``<image>`` marks in the text and ``images`` a list of paths."""
    write_table(
        rows,
        path,
        features=rows.features(messages=rows.messages(), images=["string"]),
        made=lambda row: {"messages": row.messages(rows.weight), "images": row.paths()},
    )


def write_shards(rows: Rows, folder: Path, *, features: Features, made: Callable[[Row], dict[str, Any]]) -> None:
    """Write the rows to ``train-00000-of-0000N.parquet`` and so on, each as large as suits the hub."""
    folder.mkdir()
    batches = _batches(rows, features, made)
    written: list[Path] = []
    batch = next(batches, None)
    while batch is not None:
        written.append(folder / f"{len(written):05}")
        size = 0
        with pq.ParquetWriter(written[-1], arrow_schema(features)) as writer:
            while batch is not None and size < SHARD_BYTES:
                writer.write_batch(batch)
                size += batch.nbytes
                batch = next(batches, None)
    rename_all({path: folder / f"train-{path.name}-of-{len(written):05}.parquet" for path in written})


def _batches(rows: Rows, features: Features, made: Callable[[Row], dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    schema, remaining = arrow_schema(features), iter(rows)
    while chunk := list(islice(remaining, BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist([{**row.columns, **made(row)} for row in chunk], schema=schema)
