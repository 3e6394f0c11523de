"""A dataset's stored signals under their names in the catalogue, each opened when a method asks for it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from xmas_assets.contracts.signals import SIGNALS, Source
from xmas_assets.files.space import require_space
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import noted_shape, read_values
from xmas_assets.selection.signal_arrays import Array, Signals
from xmas_assets.store.reading import Table

_MAPPED_BYTES = 1 << 30


def stored_signals(home: Home, dataset: str, *, mapped_bytes: int = _MAPPED_BYTES) -> Signals:
    """All signals of a dataset that exist, each opened when asked for; large ones as maps of files, not in memory.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        mapped_bytes: Size from which a signal is large.
    """

    def opener(source: Source) -> Array:
        table = home.stored(source.asset, dataset)[source.table]
        if source.column == "sample_id":
            return table.text(source.column)
        width = getattr(table.schema.field(source.column).type, "list_size", 0)  # 0: no fixed-size list
        if 4 * width * table.n_rows < mapped_bytes:
            return read_values(table, source.column)
        return _map_values(home, dataset, source, table)

    present = {name: source for name, source in SIGNALS.items() if home.is_stored(source.asset, dataset, source.table)}
    return Signals({name: lambda source=source: opener(source) for name, source in present.items()})


def _map_values(home: Home, dataset: str, source: Source, table: Table) -> Array:
    """A column as a map of an array file, which is made when it is first asked for, once for all methods."""
    partition = f"{dataset}|{source.table}.{source.column}"
    with home.shared_work("mapped", partition, table.digest) as workspace:
        path = workspace / "values.npy"
        if not path.exists():
            with replacing(path) as unfinished:
                _write_array(unfinished, table, source.column)
    values = np.load(path, mmap_mode="r")
    return values.reshape(len(values), *noted_shape(table, source.column, values.shape[1:]))


def _write_array(unfinished: Path, table: Table, column: str) -> None:
    width = table.schema.field(column).type.list_size
    # Also because a full disk would end the process, without a word, where a file is mapped.
    require_space(unfinished.parent, 4 * width * table.n_rows, f"the values of {table.path.stem}.{column}")
    values = np.lib.format.open_memmap(unfinished, "w+", np.float32, (table.n_rows, width))
    start = 0
    for batch in table.batches([column]):
        values[start : start + len(batch)] = pl.Series(batch.column(0)).to_numpy()
        start += len(batch)
    values.flush()


def signal_digests(home: Home, dataset: str, names: Iterable[str]) -> list[str]:
    """Content hashes of the tables that hold these signals, as ``asset.table:hash``, in order."""
    tables = sorted({(SIGNALS[name].asset, SIGNALS[name].table) for name in names})
    return [f"{asset}.{table}:{home.stored(asset, dataset)[table].digest}" for asset, table in tables]
