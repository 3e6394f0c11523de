"""A dataset's stored signals under their names in the catalogue, each opened when a method asks for it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from xmas_assets.contracts.signals import SIGNALS, Source
from xmas_assets.files.space import require_space
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import (
    StoredTables,
    note_shapes,
    noted_shape,
    read_trajectories,
    read_values,
    stage,
    stage_trajectories,
)
from xmas_assets.report.describe import describe_trajectories
from xmas_assets.report.signal_pages import describe_signal
from xmas_assets.resources.io_managers import table_directory
from xmas_assets.scale.shards import write_whole
from xmas_assets.selection.signal_arrays import Array, Signals
from xmas_assets.store.reading import SUFFIX, Table

_MAPPED_BYTES = 1 << 30

if TYPE_CHECKING:
    from xmas_assets.extraction.base import Signal
    from xmas_assets.extraction.extracted import Extracted


def stored(home: Home, asset: str, partition: str) -> StoredTables:
    """One asset's stored tables.

    Raises:
        StoreError: If it was not made yet.
    """
    return StoredTables(table_directory(home, asset, partition))


def is_stored(home: Home, asset: str, partition: str) -> bool:
    """Whether an asset's partition has tables on the disk."""
    return any(table_directory(home, asset, partition).glob(f"*{SUFFIX}"))


def stored_signals(home: Home, dataset: str, *, mapped_bytes: int = _MAPPED_BYTES) -> Signals:
    """All signals of a dataset that exist, each opened when asked for; large ones as maps of files, not in memory.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        mapped_bytes: Size from which a signal is large.
    """

    def opener(source: Source) -> Array:
        table = stored(home, source.asset, dataset)[source.table]
        width = getattr(table.schema.field(source.column).type, "list_size", 0)  # 0: no fixed-size list
        if 4 * width * table.n_rows < mapped_bytes:
            return read_values(table, source.column)
        return _map_values(home, dataset, source, table)

    present = {name: source for name, source in SIGNALS.items() if is_stored(home, source.asset, dataset)}
    return Signals({name: lambda source=source: opener(source) for name, source in present.items()})


def _map_values(home: Home, dataset: str, source: Source, table: Table) -> Array:
    """A column as a map of an array file, which is made when it is first asked for, once for all methods."""
    partition = f"{dataset}|{source.table}.{source.column}"
    home.hold("mapped", partition, wait=True)
    try:
        path = home.workspace("mapped", partition, table.digest) / "values.npy"
        if not path.exists():
            write_whole(path, lambda unfinished: _write_array(unfinished, table, source.column))
    finally:
        home.release("mapped", partition)
    values = np.load(path, mmap_mode="r")
    return values.reshape(len(values), *noted_shape(table, source.column, values.shape[1:]))


def _write_array(path: Path, table: Table, column: str) -> None:
    width = table.schema.field(column).type.list_size
    # Also because a full disk would end the process, without a word, where a file is mapped.
    require_space(path.parent, 4 * width * table.n_rows, f"the values of {table.path.stem}.{column}")
    values = np.lib.format.open_memmap(path, "w+", np.float32, (table.n_rows, width))
    start = 0
    for batch in table.batches([column]):
        values[start : start + len(batch)] = pl.Series(batch.column(0)).to_numpy()
        start += len(batch)
    values.flush()


def signal_digests(home: Home, dataset: str, names: Iterable[str]) -> list[str]:
    """Content hashes of the tables that hold these signals, as ``asset.table:hash``, in order."""
    tables = sorted({(SIGNALS[name].asset, SIGNALS[name].table) for name in names})
    return [f"{asset}.{table}:{stored(home, asset, dataset)[table].digest}" for asset, table in tables]


def stage_signals(workspaces: Mapping[str, Path], extracted: Mapping[str, "Extracted"]) -> dict[str, StoredTables]:
    """Stage what a pass has read in a stream, each asset in its own workspace; the shapes go into the footers."""
    from xmas_assets.extraction.trajectories import Trajectories

    staged = {}
    for asset, signal in extracted.items():
        workspace = workspaces[asset]
        if asset == "attention_trajectories":  # with a flag instead of NaN in rows without one
            staged[asset] = stage_trajectories(workspace, Trajectories(signal))
            continue
        batches = ((asset, batch) for batch in signal.batches())
        notes = note_shapes(signal.shapes)
        staged[asset] = stage(workspace, batches, schemas={asset: signal.schema}, metadata=notes)
    return staged


def describe_staged(staged: StoredTables, raw_dataset: StoredTables, *, notices: Sequence[str]) -> dict[str, object]:
    """What a person sees of one signal of a pass."""
    if "trajectories" in staged:
        return describe_trajectories(read_trajectories(staged), notices=notices)
    has_image = raw_dataset["samples"].column("n_images") > 0
    return describe_signal(next(iter(staged.values())), has_image=has_image, notices=notices)


def pass_shares(signals: Sequence["Signal"], n_checkpoints: int) -> dict[str, float]:
    """Which share of a pass each signal would have taken alone, taking only the checkpoints that it is read at.

    An estimate: what it costs to make the numbers of what the model shows is counted to all signals alike.
    """
    longest = n_checkpoints if any(signal.every_checkpoint for signal in signals) else 1
    return {signal.name: (n_checkpoints if signal.every_checkpoint else 1) / longest for signal in signals}
