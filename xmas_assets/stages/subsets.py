"""Make a subset from stored signals, with the manifest that says how; and make it again to check it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SelectionError, SettingsError
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


def verify(home: Home, manifest: Manifest) -> str:
    """Replay a manifest's selection on the dataset as it is now; returns what was checked, in words.

    Only the choice is made again, from the signals that are stored. Where those were stored is of no matter; but
    signals that were made on another processor differ in their last digits, and rows near the border may change.

    Raises:
        SelectionError: If the dataset has changed, the rows come out differently, or anything else that the manifest
            says (but for versions of libraries and of the method's package) is not so, or that package is missing. It
            says how many rows are the same, and what else differs.
    """
    digest = dataset_digest(home.stored("raw_dataset", manifest.dataset)["samples"].arrow(DIGEST_COLUMNS))
    if digest != manifest.dataset_digest:
        raise SelectionError(
            f"dataset {manifest.dataset!r} has changed since the selection (content {digest[:12]}, manifest "
            f"{manifest.dataset_digest[:12]}); verify on the dataset as it was, or select again"
        )
    other_version = _other_version(manifest)
    key = SelectionKey.make(manifest.method, manifest.budget, manifest.seed)
    again = make_subset(home, manifest.dataset, key, method=make_method(manifest.method, manifest.parameters))
    if again.manifest.sample_ids != manifest.sample_ids:
        n_common = len(set(again.manifest.sample_ids) & set(manifest.sample_ids))
        raise SelectionError(
            f"the selection comes out differently: {n_common} of {manifest.n_selected} rows "
            f"({n_common / manifest.n_selected:.1%}) are the same; {_what_differs(again.manifest, manifest)}"
        )
    fields = sorted(set(Manifest.model_fields) - {"library_versions", "method_package", "export"})
    other = [name for name in fields if getattr(again.manifest, name) != getattr(manifest, name)]
    if other:
        raise SelectionError(
            f"the same {manifest.n_selected} of {again.manifest.n_samples} rows come out, but the manifest has another "
            f"{', '.join(other)}; {_what_differs(again.manifest, manifest)}"
        )
    return (
        f"{manifest.n_selected} of {manifest.n_samples} rows of {manifest.dataset!r} come out the same{other_version}"
    )


def _other_version(manifest: Manifest) -> str:
    """How the installed version of the method's package differs from the manifest's, in brackets; "" if it does not.

    Raises:
        SelectionError: If that package is not installed, or cannot be used.
    """
    made, here = manifest.method_package, METHODS.package(manifest.method)
    if made is None or made == here:
        return ""
    if here is None or here.distribution != made.distribution:
        needed = f"method {manifest.method!r} of this manifest is of package {made.distribution} {made.version}"
        found = METHODS.problems().get(manifest.method, f"here it is of {here.distribution}" if here else "")
        raise SelectionError(f"{needed}, which is not installed{found and f' ({found})'}; install it and verify again")
    return f" ({made.distribution} {here.version} is installed, the manifest is of {made.version})"


def _what_differs(here: Manifest, stated: Manifest) -> str:
    """Which signals and libraries are not those of the manifest, and what to do."""
    made = [asset for asset, content in sorted(here.upstream.items()) if stated.upstream.get(asset) != content]
    versions_there = _versions(stated)
    libraries = [
        f"{name} {versions_there.get(name, 'unknown')} there, {version_here} here"
        for name, version_here in sorted(_versions(here).items())
        if versions_there.get(name) != version_here
    ]
    if not made:
        causes = libraries or [
            "signals and libraries are those of the manifest; it was edited, or is of other source files"
        ]
        return f"{'; '.join(causes)}: export it again"
    reasons = [f"{', '.join(made)} stored here have other content (another processor, library or setting made them)"]
    return f"{'; '.join(reasons + libraries)}: copy the home that made the manifest to replay it, or export it again"


def _versions(manifest: Manifest) -> dict[str, str]:
    """Versions of the libraries and of the package that the method is of, if it is not ours."""
    package = manifest.method_package
    return manifest.library_versions | ({package.distribution: package.version} if package else {})


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
