"""Give a stored subset back as records of the user's own files, with its manifest."""

from pathlib import Path

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.data.export import export_subset
from xmas_assets.data.inputs import Inputs
from xmas_assets.home.home import Home
from xmas_assets.stages.subsets import read_manifest


def export_selection(
    home: Home, dataset: str, key: SelectionKey, *, to: Path, file_format: str | None, force: bool
) -> tuple[Manifest, Path]:
    """Write a subset's original records; returns its manifest and where that was written.

    Raises:
        StoreError: If the subset was not made yet, or the dataset was read again since.
        DatasetError: If the source files changed, or the output cannot be written.
    """
    registration = home.registration(dataset)
    subset, raw = home.stored("selected_subset", f"{dataset}|{key}"), home.stored("raw_dataset", dataset)
    manifest = read_manifest(subset)
    if manifest.upstream["raw_dataset"] != raw.version:
        raise StoreError(f"{dataset} was read again since {key} was selected; bring it up to date: xmas select")
    places = raw["samples"].scan().select("row", "source_file", "source_row")
    chosen = subset["subset"].scan().select("row").join(places, on="row").sort("row", maintain_order=True).collect()
    written = export_subset(
        registration,
        chosen.select("source_file", "source_row").iter_rows(),
        manifest=manifest,
        to=to,
        inputs=Inputs.of_home(home.root),
        file_format=file_format,
        force=force,
    )
    return manifest, written
