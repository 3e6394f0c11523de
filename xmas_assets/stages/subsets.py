"""Make a subset from stored signals, with the manifest that says how."""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import SelectionKey, parse_partition, share_of_rows
from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.libraries import CHOOSING, READING, library_versions
from xmas_assets.contracts.manifest import Exclusion, Manifest
from xmas_assets.contracts.settings import MethodsSettings
from xmas_assets.contracts.signals import SIGNALS, stages_behind
from xmas_assets.home.home import Home
from xmas_assets.home.records import kept_content_digest
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.home.stored_tables import StoredTables, combine, read_checkpoints, read_sources, stage
from xmas_assets.home.versions import kept_growth
from xmas_assets.scale.stretches import Growth
from xmas_assets.selection.base import Method
from xmas_assets.selection.growing import select_grown
from xmas_assets.selection.registry import METHODS, make_method
from xmas_assets.selection.signal_arrays import Array
from xmas_assets.stages.contamination import Excluded, excluded_rows
from xmas_assets.stages.prepared import prepared_arrays
from xmas_assets.store.reading import remedy_for

EXCLUDED = "excluded"
"""Table of the leaderboard that says of how many rows selections had no choice; not there if of none."""


@dataclass(frozen=True)
class Subset:
    """A selection that was made.

    Attributes:
        dataset: Dataset name.
        key: Method, budget and seed.
        frame: ``row`` and ``sample_id``, ascending by row.
        manifest: Everything needed to make it again.
        n_unread: Rows that could not be read, so that they are chosen only when no other is left.
    """

    dataset: str
    key: SelectionKey
    frame: pl.DataFrame
    manifest: Manifest
    n_unread: int


def choose_subset(home: Home, dataset: str, key: SelectionKey, *, excluded: Excluded) -> Subset:
    """As ``make_subset``, from what the method prepared before where that is kept."""
    method, grown = resolve_method(key, home.settings(dataset).methods), kept_growth(home, dataset)
    prepared = None if grown else prepared_arrays(home, dataset, method, excluded=excluded.rows)
    return make_subset(home, dataset, key, method=method, prepared=prepared, excluded=excluded, grown=grown)


def make_subset(
    home: Home,
    dataset: str,
    key: SelectionKey,
    *,
    method: Method | None = None,
    prepared: Mapping[str, Array] | None = None,
    excluded: Excluded | None = None,
    grown: tuple[int, ...] | None = None,
) -> Subset:
    """Select rows of a dataset from its stored signals.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        key: Method, budget and seed.
        method: The key's method with its parameters; those of the dataset's settings if left out.
        prepared: What the method prepares, as from ``prepared_arrays``; computed afresh if left out.
        excluded: Rows that are not selected, as from ``excluded_rows``; those that the registration says if left out.
        grown: As from ``kept_growth``, which is called if it is left out.

    Raises:
        SettingsError: If the method is not known.
        SelectionError: If a signal is missing or the budget cannot be met.
    """
    method = method or resolve_method(key, home.settings(dataset).methods)
    excluded = excluded or excluded_rows(home, dataset)
    grown = kept_growth(home, dataset) if grown is None else grown
    raw = home.stored("raw_dataset", dataset)
    signals = stored_signals(home, dataset)
    if grown:
        method.check_present(signals)
        stretches = Growth(grown).stretches(raw["samples"].n_rows)
        rows, n_unread = select_grown(
            method, signals, key.budget, key.seed, stretches=stretches, excluded=excluded.rows
        )
    else:
        prepared = prepared or method.prepare(signals, excluded=excluded.rows)
        rows = method.select(signals, key.budget, key.seed, prepared=prepared, excluded=excluded.rows)
        n_unread = method.n_unread(prepared)
    sample_ids = raw["samples"].take("sample_id", rows)
    frame = pl.DataFrame({"row": rows, "sample_id": pl.Series(sample_ids, dtype=pl.String)})
    manifest = _manifest(home, dataset, key, method=method, rows=rows, sample_ids=sample_ids)
    manifest = manifest.model_copy(update={"excluded": excluded.rule, "grown": grown})
    return Subset(dataset, key, frame, manifest, n_unread)


def selectable_rows(home: Home, dataset: str) -> int:
    """How many rows of a dataset that was read can be selected: all but those that its registration leaves out."""
    return home.stored("raw_dataset", dataset)["samples"].n_rows - len(excluded_rows(home, dataset).rows)


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
    methods: Sequence[str],
    budgets: Sequence[str],
    seeds: int,
    *,
    settings: MethodsSettings,
    n_rows: Callable[[], int],
) -> list[SelectionKey]:
    """Every method at every budget and each of the seeds 0..seeds-1; ``full`` once per seed.

    Args:
        methods: Their names.
        budgets: Shares (``0.2``), percentages (``20%``) or, from 2 on, numbers of rows (``500``).
        seeds: How many.
        settings: Parameters of the methods.
        n_rows: Called if a budget is a number of rows: how many can be selected.

    Raises:
        SelectionError: If there is no such method, or a parameter of it in the settings is not allowed.
        SettingsError: If a budget is not allowed.
    """
    for method in methods:
        make_method(method, settings.parameters.get(method, {}))
    budgets = [
        str(share_of_rows(int(budget), n_rows())) if budget.isdecimal() and int(budget) > 1 else budget
        for budget in budgets
    ]
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
    metadata = {"manifest": subset.manifest.to_bytes().decode()}
    if subset.manifest.excluded:  # beside the manifest, which is long
        metadata[EXCLUDED] = subset.manifest.excluded.model_dump_json()
    return stage(workspace, {"subset": subset.frame}, metadata=metadata)


def read_manifest(subset: StoredTables) -> Manifest:
    """The manifest of a stored subset."""
    return Manifest.model_validate_json(subset["subset"].metadata["manifest"])


def read_exclusion(subset: StoredTables) -> Exclusion | None:
    """The rule by which rows were left out of a stored subset; None if there was none."""
    text = subset["subset"].metadata.get(EXCLUDED)
    return Exclusion.model_validate_json(text) if text else None


def exclusion_table(home: Home, partitions: Iterable[str]) -> pl.DataFrame | None:
    """By which rule rows were left out of stored subsets, and how many.

    Returns:
        ``method``, ``budget``, ``seed``, ``n_excluded`` and ``rule`` (a hash); both null where there was no rule. None
        if there was none anywhere.
    """
    rows = []
    for partition in sorted(partitions):
        _, key = parse_partition(partition)
        if home.is_stored("selected_subset", partition):
            rule = read_exclusion(home.stored("selected_subset", partition))
            left_out = (rule.n_rows, combine(rule.model_dump_json())) if rule else (None, None)
            rows.append((key.method, key.budget_text, key.seed, *left_out))
    schema = {"method": pl.String, "budget": pl.String, "seed": pl.Int64, "n_excluded": pl.Int64, "rule": pl.String}
    table = pl.DataFrame(rows, schema, orient="row")
    return None if table["rule"].is_null().all() else table


def stored_manifest(home: Home, dataset: str, key: SelectionKey) -> Manifest:
    """The manifest of the subset that is stored for a selection.

    Raises:
        StoreError: If none is stored, or what is there is damaged or of another selection.
    """
    tables = home.stored("selected_subset", f"{dataset}|{key}")
    manifest = read_manifest(tables)
    made = SelectionKey.make(manifest.method, manifest.budget, manifest.seed)
    if (manifest.dataset, made) != (dataset, key) or tables["subset"].column("row").tolist() != list(manifest.rows):
        raise StoreError(
            f"{tables.directory} holds rows of {made} of {manifest.dataset!r}, which are not those of {key}; "
            f"{remedy_for(tables.directory)}"
        )
    return manifest


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
        dataset_digest=kept_content_digest(home, dataset),
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
