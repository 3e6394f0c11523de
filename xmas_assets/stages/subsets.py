"""Make a subset from stored signals, with the manifest that says how."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.libraries import CHOOSING, READING, library_versions
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.contracts.settings import MethodsSettings
from xmas_assets.contracts.signals import SIGNALS, stages_behind
from xmas_assets.data.samples import DIGEST_COLUMNS, dataset_digest
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.home.stored_tables import StoredTables, read_checkpoints, read_sources, stage
from xmas_assets.selection.base import Method
from xmas_assets.selection.registry import METHODS, make_method
from xmas_assets.selection.signal_arrays import Array


@dataclass(frozen=True)
class Subset:
    """A selection that was made.

    Attributes:
        dataset: Dataset name.
        key: Method, budget and seed.
        frame: ``row`` and ``sample_id``, ascending by row.
        manifest: Everything needed to make it again.
    """

    dataset: str
    key: SelectionKey
    frame: pl.DataFrame
    manifest: Manifest


def make_subset(
    home: Home,
    dataset: str,
    key: SelectionKey,
    *,
    method: Method | None = None,
    prepared: Mapping[str, Array] | None = None,
) -> Subset:
    """Select rows of a dataset from its stored signals.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        key: Method, budget and seed.
        method: The key's method with its parameters; those of the dataset's settings if left out.
        prepared: What the method prepares, as from ``prepared_arrays``; computed afresh if left out.

    Raises:
        SettingsError: If the method is not known.
        SelectionError: If a signal is missing or the budget cannot be met.
    """
    method = method or resolve_method(key, home.settings(dataset).methods)
    raw = home.stored("raw_dataset", dataset)
    rows = method.select(stored_signals(home, dataset), key.budget, key.seed, prepared=prepared)
    sample_ids = raw["samples"].column("sample_id")[rows]
    frame = pl.DataFrame({"row": rows, "sample_id": pl.Series(sample_ids, dtype=pl.String)})
    return Subset(dataset, key, frame, _manifest(home, dataset, key, method=method, rows=rows, sample_ids=sample_ids))


def resolve_method(key: SelectionKey, settings: MethodsSettings) -> Method:
    """The key's method with the dataset's parameters.

    Raises:
        SelectionError: If there is no such method or parameter.
        SettingsError: If the method does not take this budget.
    """
    method = make_method(key.method, settings.parameters.get(key.method, {}))
    if key.method == "full" and key.budget != 1:
        raise SettingsError(f"'full' keeps everything, so its budget is 1.00; write full_b1.00_s{key.seed}, not {key}")
    return method


def selection_keys(
    methods: Sequence[str], budgets: Sequence[str], seeds: int, *, settings: MethodsSettings
) -> list[SelectionKey]:
    """Every method at every budget and each of the seeds 0..seeds-1; ``full`` once per seed.

    Raises:
        SelectionError: If there is no such method, or a parameter of it in the settings is not allowed.
        SettingsError: If a budget is not allowed.
    """
    keys = [
        SelectionKey.make(method, "1" if method == "full" else budget, seed)
        for method in methods
        for budget in (budgets if method != "full" else budgets[:1])
        for seed in range(seeds)
    ]
    for key in keys:
        resolve_method(key, settings)
    return list(dict.fromkeys(keys))


def stage_subset(workspace: Path, subset: Subset) -> StoredTables:
    """Stage the rows; the manifest goes into the footer, so that a library's new version alone retrains nothing."""
    return stage(workspace, {"subset": subset.frame}, metadata={"manifest": subset.manifest.to_bytes().decode()})


def read_manifest(subset: StoredTables) -> Manifest:
    """The manifest of a stored subset."""
    return Manifest.model_validate_json(subset["subset"].metadata["manifest"])


def _manifest(
    home: Home, dataset: str, key: SelectionKey, *, method: Method, rows: NDArray[np.int64], sample_ids: NDArray
) -> Manifest:
    raw = home.stored("raw_dataset", dataset)
    behind = set(stages_behind(method.needs))
    models = {"base_model", *(behind & {"warmup_checkpoints"})} if behind else set()
    assets = sorted({"raw_dataset", *(SIGNALS[name].asset for name in method.needs), *models})
    # A reader also wants to know which release of ours chose.
    libraries = ("xmas-assets", *CHOOSING, *(READING if behind else ()))
    proxy: dict[str, Any] = {}
    if "proxy_checkpoints" in behind:
        checkpoints = read_checkpoints(home.stored("proxy_checkpoints", dataset)["checkpoints"], home.path())
        base = home.stored("base_model", dataset)["model"].column("digest")[0]
        proxy = {"proxy_base": base, "proxy_checkpoints": tuple(checkpoint.digest for checkpoint in checkpoints)}
    return Manifest(
        dataset=dataset,
        dataset_digest=dataset_digest(raw["samples"].arrow(DIGEST_COLUMNS)),
        source_files=read_sources(raw["samples"]),
        n_samples=raw["samples"].n_rows,
        method=key.method,
        method_package=METHODS.package(key.method),
        parameters=method.model_dump(mode="json"),
        budget=key.budget_text,
        seed=key.seed,
        n_selected=len(rows),
        rows=tuple(int(row) for row in rows),
        sample_ids=tuple(str(sample_id) for sample_id in sample_ids),
        library_versions=library_versions(libraries) | {"python": platform.python_version()},
        upstream={asset: home.stored(asset, dataset).version for asset in assets},
        **proxy,
    )
