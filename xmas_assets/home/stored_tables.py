"""What assets hand over: staged tables with a content version, and checkpoints as rows."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import Checkpoint, ScalarTrajectories
from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.manifest import SourceFile
from xmas_assets.contracts.remedies import how_to_make_again
from xmas_assets.core.trajectories import leading_sums
from xmas_assets.files.notes import json_value
from xmas_assets.store.reading import Table, open_tables, remedy_for
from xmas_assets.store.tables import Frame, write_tables

_SOURCES = "source_files"
_SHAPES = "shapes"
_STEPS = "steps"


class StoredTables(dict[str, Table]):
    """Handles of one partition's tables, which read columns on demand.

    Attributes:
        directory: Where the Parquet files are.
        version: Content hash of all tables; also Dagster's data version, so that an identical result makes nothing
            stale.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(open_tables(directory))
        self.directory = directory
        self.version = combine(*(f"{name}:{table.digest}" for name, table in sorted(self.items())))

    def __missing__(self, name: str) -> Table:
        raise StoreError(
            f"{self.directory} has no table {name!r}, only {', '.join(sorted(self))}: another version of xmas_assets "
            f"made it; {remedy_for(self.directory, is_sound=True)}"
        )


def stage(
    workspace: Path,
    tables: Mapping[str, Frame] | Iterable[tuple[str, pa.RecordBatch]],
    *,
    schemas: Mapping[str, pa.Schema] | None = None,
    optional: Sequence[pa.Field] = (),
    metadata: Mapping[str, str] | None = None,
) -> StoredTables:
    """Write an asset's tables next to its work; the IO manager moves them to their place."""
    write_tables(workspace / "tables", tables, schemas=schemas, optional=optional, metadata=metadata)
    return StoredTables(workspace / "tables")


def combine(*parts: str) -> str:
    """One hex SHA-256 of several versions, order kept."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def note_shapes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """A table's metadata that says which shape one row's value has in a column of fixed-size lists."""
    return {_SHAPES: json.dumps(dict(shapes))}


def note_steps(steps: Iterable[int]) -> dict[str, str]:
    """A table's metadata that says at which optimiser steps the checkpoints were saved that it was read from."""
    return {_STEPS: json.dumps(list(steps))}


def noted_shape(table: Table, column: str, otherwise: Sequence[int] = ()) -> tuple[int, ...]:
    """Shape of one row's value that ``note_shapes`` noted for a column; ``otherwise`` if it did not."""
    return tuple(json_value(table.metadata.get(_SHAPES, "{}")).get(column, otherwise))


def read_values(table: Table, column: str) -> NDArray[Any]:
    """One column as an array, shape (n_rows, *shape) with the noted shape."""
    values = table.column(column)
    return values.reshape(len(values), *noted_shape(table, column, values.shape[1:]))


def note_sources(hashes: Mapping[Path, str]) -> dict[str, str]:
    """A table's metadata that says which annotation files it was read from, given their SHA-256 (hex)."""
    return {_SOURCES: json.dumps([(path.name, sha256) for path, sha256 in hashes.items()])}


def read_sources(table: Table) -> tuple[SourceFile, ...]:
    """The annotation files that a table was read from, as they were then.

    Raises:
        StoreError: If the table does not say.
    """
    if _SOURCES not in table.metadata:
        remedy = how_to_make_again("raw_dataset", folder=str(table.path.parent))
        raise StoreError(f"{table.path} was made by an older version of xmas_assets; {remedy}")
    return tuple(SourceFile(name=name, sha256=sha256) for name, sha256 in json_value(table.metadata[_SOURCES]))


def stage_checkpoints(
    workspace: Path, checkpoints: Iterable[Checkpoint], home: Path, **columns: Sequence[float]
) -> StoredTables:
    """Stage checkpoints as rows ``step``, ``path`` (relative to the home, so that it can move) and ``digest``.

    Args:
        workspace: Of the stage.
        checkpoints: One per row.
        home: The platform's folder.
        **columns: More of them, a value per checkpoint.
    """
    rows = [(c.step, str(c.path.relative_to(home)), c.digest) for c in checkpoints]
    schema = {"step": pl.Int64, "path": pl.String, "digest": pl.String}
    more = [pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items()]
    return stage(workspace, {"checkpoints": pl.DataFrame(rows, schema=schema, orient="row").with_columns(more)})


def read_checkpoints(table: Table, home: Path) -> Sequence[Checkpoint]:
    """The checkpoints of a table made by ``stage_checkpoints``, by ascending step."""
    frame = table.scan().sort("step", maintain_order=True).collect()
    return [Checkpoint(row["step"], home / row["path"], row["digest"]) for row in frame.iter_rows(named=True)]


def read_sums(stored: StoredTables) -> ScalarTrajectories:
    """The scalar trajectories of a dataset; the values behind them, several times as large, are read in blocks."""
    table = stored["attention_trajectories"]
    steps = tuple(json_value(table.metadata[_STEPS]))
    sums = np.empty((table.n_rows, len(steps)), dtype=np.float32)
    start = 0
    for batch in table.batches(["values"]):
        values = pl.Series(batch.column(0)).to_numpy().reshape(batch.num_rows, len(steps), -1)
        sums[start : start + len(values)] = leading_sums(values)
        start += len(values)
    return ScalarTrajectories(table.text("sample_id"), sums, steps)


def read_base(base_model: StoredTables) -> Path:
    """Directory of the base model."""
    return Path(base_model["model"].column("directory")[0])


def list_values_among(table: Table, column: str, values: set[str]) -> set[str]:
    """Which of some values the lists of a column hold; none where a table has no such column."""
    if column not in table.columns or not values:
        return set()
    rows = table.scan().select(pl.col(column).explode()).unique(maintain_order=True)
    return set(rows.filter(pl.col(column).is_in(list(values))).collect()[column])
