"""Give a stored subset back: as records of the user's own files, or as a folder that another program trains from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.data.export import export_subset
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.samples import LOSS_WEIGHTS
from xmas_assets.data.trainers.export import SAMPLE_COLUMNS, Exported, Subset, export_for
from xmas_assets.data.trainers.pictures import ImageFiles, Paths
from xmas_assets.data.trainers.tool import Tool
from xmas_assets.home.home import Home
from xmas_assets.stages.reasons import stored_reasons
from xmas_assets.stages.subsets import stored_manifest
from xmas_assets.store.reading import Table

_BATCH_ROWS = 1024


def export_selection(
    home: Home, dataset: str, key: SelectionKey, *, to: Path, file_format: str | None, force: bool
) -> tuple[Manifest, Path]:
    """Write a subset's original records; returns its manifest and where that was written.

    Raises:
        StoreError: If the subset was not made yet, or the dataset was read again since.
        DatasetError: If the source files changed, or the output cannot be written.
    """
    manifest = _current_manifest(home, home.registration(dataset).name, key)
    inputs = Inputs.of_home(home.root)
    return manifest, write_subset(home, manifest, to=to, inputs=inputs, file_format=file_format, force=force)


def write_subset(
    home: Home, manifest: Manifest, *, to: Path, inputs: Inputs, file_format: str | None, force: bool = False
) -> Path:
    """Write the original records of a manifest's rows; see ``export_subset``."""
    places = home.stored("raw_dataset", manifest.dataset)["samples"].scan().select("row", "source_file", "source_row")
    rows = pl.LazyFrame({"row": manifest.rows}, schema={"row": places.collect_schema()["row"]})
    chosen = rows.join(places, on="row").sort("row", maintain_order=True).collect()
    return export_subset(
        home.registration(manifest.dataset),
        chosen.select("source_file", "source_row").iter_rows(),
        manifest=manifest,
        to=to,
        inputs=inputs,
        file_format=file_format,
        force=force,
    )


def export_for_tool(
    home: Home,
    dataset: str,
    key: SelectionKey,
    *,
    tool: Tool,
    to: Path,
    image_files: ImageFiles | None,
    paths: Paths | None,
    with_scores: bool,
) -> Exported:
    """Write a subset as a folder that a program trains from.

    Args:
        home: The platform's folder.
        dataset: Name of a registered dataset.
        key: The selection.
        tool: For which program.
        to: The folder. An earlier export, unchanged, is replaced when the new one is complete.
        image_files: What happens to the pictures' files; None for the program's usual way.
        paths: How rows name their pictures; None for the program's usual way.
        with_scores: Add the score, rank and group that the method gave each row, as far as it gives any.

    Raises:
        StoreError: If the subset was not made yet, or the dataset was read again since.
        SelectionError: If scores are wanted, and the subset was made from signals that are no longer stored.
        OutputError: If something else is at ``to``, or it cannot be written as asked.
        DatasetError: If the source files changed.
        ImageError: If a picture is gone, or changed since.
    """
    registration = home.registration(dataset)
    raw = home.stored("raw_dataset", dataset)
    manifest = _current_manifest(home, dataset, key)
    rows = np.array(manifest.rows)
    subset = Subset(
        name=f"{dataset}_{key}",
        registration=registration,
        manifest=manifest,
        samples=lambda: _chosen_samples(raw["samples"], rows),
        images=ImageRoot(registration.images, home.image_store()),
        standing=_standing(home, dataset, key) if with_scores else {},
    )
    return export_for(subset, tool, to=to, inputs=Inputs.of_home(home.root), image_files=image_files, paths=paths)


def _current_manifest(home: Home, dataset: str, key: SelectionKey) -> Manifest:
    """The manifest of a stored subset; refused if the dataset was read again since."""
    manifest = stored_manifest(home, dataset, key)
    if manifest.upstream["raw_dataset"] != home.stored("raw_dataset", dataset).version:
        raise StoreError(f"{dataset} was read again since {key} was selected; bring it up to date: xmas select")
    return manifest


def _chosen_samples(table: Table, rows: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """The chosen rows of the samples table, a batch in memory at a time."""
    start = 0
    columns = [*SAMPLE_COLUMNS, *(name for name in (LOSS_WEIGHTS,) if name in table.columns)]
    for batch in table.batches(columns, n_rows=_BATCH_ROWS):
        low, high = np.searchsorted(rows, (start, start + len(batch)))
        yield from batch.take(pa.array(rows[low:high] - start)).to_pylist()
        start += len(batch)


def _standing(home: Home, dataset: str, key: SelectionKey) -> dict[str, tuple[str, list[Any]]]:
    """Type and values of ``score``, ``rank`` and ``group`` for the chosen rows, without those that no row has."""
    reasons = stored_reasons(home, dataset, key)
    kept = reasons.rows(np.flatnonzero(reasons.column("kept")), ["score", "rank_in_group", "group"])
    kept = kept.rename({"rank_in_group": "rank"})
    types = {"score": "float64", "rank": "int64", "group": "string"}
    return {name: (kind, kept[name].to_list()) for name, kind in types.items() if kept[name].count()}
