"""Tables with one row per row of the dataset, computed shard by shard and kept, so that a killed run goes on."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.scale.engines import SERIAL, Advance, Engine
from xmas_assets.scale.running import run_pieces
from xmas_assets.scale.shards import ItemCounter, Shard, shards_of_groups
from xmas_assets.scale.stretches import NO_GROWTH, Growth

ROW_FIELDS = (pa.field("row", pa.int64(), nullable=False), pa.field("sample_id", pa.string(), nullable=False))
Compute = Callable[[Sequence[Sample], Callable[[float], None]], Mapping[str, Any]]
"""Gives the values of some rows by column; reports how many rows each step has finished."""


@dataclass(frozen=True)
class RowTable:
    """A table on disk.

    Attributes:
        paths: Arrow files, one per shard, in row order.
        schema: ``row``, ``sample_id``, and the computed columns.
        notices: What a person should know about how it was made.
    """

    paths: tuple[Path, ...]
    schema: pa.Schema
    notices: tuple[str, ...] = ()

    def named(self, name: str) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Give the batches as those of a table of this name."""
        return ((name, batch) for batch in self.batches())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give all rows in dataset order, a shard at a time."""
        for path in self.paths:
            with pa.OSFile(str(path)) as file:
                yield from pa.ipc.open_stream(file)


def make_row_table(
    samples: Sequence[Sample],
    columns: Sequence[pa.Field],
    compute: Compute,
    *,
    workspace: Path,
    shard_size: int,
    key: str,
    progress: ProgressCallback | None = None,
    engine: Engine = SERIAL,
    ready: Callable[[], AbstractContextManager[object]] = nullcontext,
    growth: Growth = NO_GROWTH,
    name: str = "",
) -> RowTable:
    """Compute columns of all rows, or of those that a killed run had not reached.

    Args:
        samples: The dataset in row order.
        columns: Of the table, besides ``row`` and ``sample_id``.
        compute: Deterministic. For engines that work elsewhere it can be pickled, and is small.
        workspace: Directory for the shards; those made under another key, or of other samples, are replaced. One run
            at a time may use it.
        shard_size: Rows per shard.
        key: All that the values depend on besides the samples.
        progress: Called with how many rows are done, and the time left.
        engine: Who makes the shards.
        ready: Gives what each process that makes shards enters first.
        growth: How the dataset came to its rows.
        name: Of what is computed, to say how many rows were kept as the dataset grew.
    """
    schema = pa.schema([*ROW_FIELDS, *columns])
    pieces = []
    for number, rows in enumerate(growth.stretches(len(samples))):
        others = (rows.start,) if rows.start else ()  # the column row counts on
        own = repr((key, samples_digest(samples[rows.start : rows.stop]), str(schema), *others))
        shards = shards_of_groups([1] * len(rows), shard_size)
        pieces.append(growth.piece(number, workspace, shards, own, start=rows.start))
    paths = run_pieces(
        pieces,
        _WriteRows(samples, schema, compute),
        counter=ItemCounter(len(samples), progress),
        engine=engine,
        ready=ready,
        name=name,
    )
    return RowTable(tuple(paths), schema)


@dataclass(frozen=True)
class _WriteRows:
    """Writes the rows of a shard as an Arrow stream."""

    samples: Sequence[Sample]
    schema: pa.Schema
    compute: Compute

    def __call__(self, shard: Shard, path: Path, advance: Advance) -> None:
        rows = range(shard.start, shard.stop)
        values = self.compute([self.samples[row] for row in rows], advance)
        computed = [pa.array(values[field.name], field.type) for field in list(self.schema)[len(ROW_FIELDS) :]]
        batch = pa.record_batch([*row_columns(self.samples, rows), *computed], schema=self.schema)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, self.schema) as writer:
            writer.write_batch(batch)


def row_columns(samples: Sequence[Sample], rows: range) -> list[pa.Array]:
    """Values of ``ROW_FIELDS`` for some rows."""
    return [pa.array(rows, pa.int64()), pa.array([samples[row].sample_id for row in rows], pa.string())]


def samples_digest(samples: Sequence[Sample]) -> str:
    """Hex SHA-256 of the samples' ids, texts, images and weights, in their order."""
    digest = hashlib.sha256()
    for sample in samples:
        weights = (sample.loss_weights,) if sample.loss_weights else ()
        digest.update(repr((sample.sample_id, sample.turns, sample.image_hashes, *weights)).encode())
    return digest.hexdigest()


def vectors(values: Any) -> pa.Array:
    """Vectors, shape (n_rows, width), as a float32 column of fixed-size lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), pa.float32()), values.shape[1])
