"""What the ``xmas dataset`` commands do: register, list, show and remove."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from xmas_assets.contracts.artifacts import check_dataset_name
from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.data.profiles import load_settings
from xmas_assets.data.registration import Registration, load_registration, registered_names, registration_path
from xmas_assets.home.home import Home
from xmas_assets.report.text import visible
from xmas_assets.toy.dataset import SyntheticSettings, generate

OUT = Console(highlight=False)


def add_dataset(name: str, *, annotations: list[Path], embedded: bool, **fields: Any) -> None:
    """Register a dataset, after a look that its name, files and settings can be used."""
    home = Home.open()
    path = registration_path(home.path(), name)
    if path.exists():
        raise SettingsError(f"dataset {name!r} is there already; edit {path}, or remove it first")
    if embedded:
        folder = home.path("embedded", check_dataset_name(name))
        shutil.rmtree(folder)  # what an interrupted command left of a dataset that is not registered
        generate(SyntheticSettings(), folder)
        annotations, fields["test"], fields["images"] = [folder / "train.json"], [folder / "test.json"], folder
    if not annotations:
        raise SettingsError("no annotation file was given; add --annotations FILE, or --embedded")
    registration = Registration.create(name, annotations, **fields)
    registration.check_sources()
    load_settings(registration.profile, registration.overrides)
    OUT.print(f"registered {name}: {registration.save(home.path())}", markup=False, soft_wrap=True)


def list_datasets() -> None:
    """One line per registered dataset."""
    home = Home.open()
    table = Table("dataset", "rows", "quarantined", "selections", "profile")
    for name in registered_names(home.path()):
        rows, quarantined = _counts(home, name)
        selections = len(home.stored_partitions("benchmark_scores", name))
        table.add_row(name, rows, quarantined, str(selections), load_registration(home.path(), name).profile)
    OUT.print(table)


def show_dataset(name: str) -> None:
    """The registration, the rows and the quarantined records by reason."""
    home = Home.open()
    path = registration_path(home.path(), load_registration(home.path(), name).name)
    OUT.print(path.read_text(), markup=False, soft_wrap=True)
    if not home.is_stored("raw_dataset", name):
        OUT.print(f"not read yet; run: xmas run {name} --method random")
        return
    tables = home.stored("raw_dataset", name)
    ledger = tables["ledger"].scan().collect()
    print_frame(ledger.drop("notices"))
    OUT.print(f"accepted, but worth knowing: {ledger['notices'][0]}", markup=False, soft_wrap=True)
    counts = (
        tables["quarantine"]
        .scan()
        .group_by("split", "reason", maintain_order=True)
        .len("rows")
        .sort("split", "reason", maintain_order=True)
        .collect()
    )
    print_frame(counts)


def remove_dataset(name: str) -> None:
    """Delete the registration and everything made from it; never a user's own files, and not the MLflow runs."""
    home = Home.open()
    home.forget(name)
    from xmas_assets.orchestration.platform import open_instance

    open_instance(home).delete_dynamic_partition("dataset", name)
    OUT.print(f"removed {name}; its source files are where they were")


def print_frame(frame: pl.DataFrame) -> None:
    """Print a frame as a table; text from data shows as it is, without control codes or markup."""
    table = Table(*(escape(visible(name)) for name in frame.columns))
    for row in frame.iter_rows():
        table.add_row(*(Text(visible(f"{cell:.4g}" if isinstance(cell, float) else cell)) for cell in row))
    OUT.print(table)


def _counts(home: Home, dataset: str) -> tuple[str, str]:
    try:
        tables = home.stored("raw_dataset", dataset)
    except StoreError:
        return "not read yet", "-"
    return f"{tables['samples'].n_rows:,}", f"{tables['quarantine'].n_rows:,}"
