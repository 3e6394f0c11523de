"""Why the rows of a selection were kept or dropped: a table beside the subset, made when it is first asked for.

It is no asset, so that nothing is trained again because of it.
"""

import numpy as np
import polars as pl

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.home.stored_tables import combine, stage
from xmas_assets.home.versions import kept_growth
from xmas_assets.scale.stretches import Growth
from xmas_assets.selection.growing import explain_grown
from xmas_assets.stages.contamination import excluded_rows
from xmas_assets.stages.prepared import prepared_arrays, prepared_key
from xmas_assets.stages.publishing import run_commands
from xmas_assets.stages.subsets import resolve_method
from xmas_assets.store.reading import Table

REASONS = "selection_reasons"
_MADE_FROM = "made_from"
_VERSION = 1  # raised when the same selection would give another table


def selection_reasons(home: Home, dataset: str, key: SelectionKey) -> pl.DataFrame:
    """The columns ``selection.reasons.REASONS`` of a stored selection, one line per row of the dataset, in its order.

    Raises:
        StoreError: If there is no such selection.
        SelectionError: If it was made from signals or parameters that are no longer those of the dataset.
    """
    return stored_reasons(home, dataset, key).frame()


def stored_reasons(home: Home, dataset: str, key: SelectionKey) -> Table:
    """As ``selection_reasons``, of which nothing is in memory yet."""
    partition = f"{dataset}|{key}"
    subset = home.stored("selected_subset", partition)
    method = resolve_method(key, home.settings(dataset).methods)
    excluded = excluded_rows(home, dataset).rows
    prepared_from = prepared_key(home, dataset, method, excluded=excluded)
    grown = kept_growth(home, dataset)
    made_from = combine(str(_VERSION), subset.version, prepared_from, *map(str, grown))
    with home.shared_work(REASONS, partition, made_from) as workspace:
        if home.is_stored(REASONS, partition):
            table = home.stored(REASONS, partition)[REASONS]
            if table.metadata[_MADE_FROM] == made_from:
                return table
        signals = stored_signals(home, dataset)
        if grown:
            stretches = Growth(grown).stretches(home.stored("raw_dataset", dataset)["samples"].n_rows)
            reasons = explain_grown(method, signals, key.budget, key.seed, stretches=stretches, excluded=excluded)
        else:
            prepared = prepared_arrays(home, dataset, method, excluded=excluded)
            reasons = method.reasons(signals, key.budget, key.seed, prepared=prepared, excluded=excluded)
        if not np.array_equal(np.flatnonzero(reasons.kept), subset["subset"].column("row")):
            raise SelectionError(
                f"selection {key} of {dataset!r} was made from other signals or parameters than are stored now; "
                f"run: {run_commands(dataset, [key])[0]}"
            )
        batches = ((REASONS, batch) for block in reasons.blocks() for batch in block.to_arrow().to_batches())
        staged = stage(workspace, batches, metadata={_MADE_FROM: made_from})
        return home.put(REASONS, partition, staged)[REASONS]
