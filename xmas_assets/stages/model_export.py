"""Give a trained target model as a directory that other programs load."""

from dataclasses import dataclass
from pathlib import Path

from xmas_assets.contracts.artifacts import Checkpoint, SelectionKey
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.data.export_folder import exporting
from xmas_assets.data.inputs import Inputs
from xmas_assets.files.model_content import known_digest
from xmas_assets.files.whole import copy_into, replacing
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import read_base, read_checkpoints


@dataclass(frozen=True)
class ExportedModel:
    """What was written.

    Attributes:
        form: What it is, in words.
        base: Digest of an adapter's base; None of a model that was trained whole.
        not_loaded: File of weights that were trained and that peft does not load; None if there is none.
    """

    form: str
    base: str | None = None
    not_loaded: str | None = None


def export_model(home: Home, dataset: str, key: SelectionKey, *, to: Path, merge: bool) -> ExportedModel:
    """Write the model trained on a selection to a directory, with a note of what it is.

    A model that was trained as a whole is copied as it is. An adapter is copied with the name of its base and the
    processor, or merged into the base.

    Args:
        home: The platform's folder.
        dataset: Name of a registered dataset.
        key: The selection.
        to: Directory to write; missing folders are made. An earlier export, unchanged, is replaced when the new one is
            complete.
        merge: Write an adapter and its base as one model.

    Raises:
        SettingsError: If there is no such dataset.
        StoreError: If no model was trained on the selection, or its files changed since.
        ModelError: If the base of an adapter is gone or changed.
        OutputError: If something else is at ``to``, or it cannot be written.
    """
    settings = home.settings(dataset).target_base
    trained = _target(home, dataset, key)
    base = read_base(home.stored("target_base", dataset))
    inputs = Inputs.of_home(home.root)
    with exporting(to, inputs=inputs, is_replaced=lambda note: "form" in note) as (folder, note):
        exported = _write(trained.path, folder, base=base, settings=settings, merge=merge)
        about = {"form": exported.form, "target": trained.digest, "base": exported.base}
        note.update({"dataset": dataset, "selection": str(key), **about})
    return exported


def write_plain_model(home: Home, dataset: str, key: SelectionKey, *, to: Path) -> None:
    """Write the model trained on a selection to a folder of the home's own work, an adapter merged into its base.

    Args:
        home: The platform's folder.
        dataset: Name of a registered dataset.
        key: The selection.
        to: The folder; one that is there is whole, and left as it is.

    Raises:
        StoreError: If no model was trained on the selection, or its files changed since.
        ModelError: If the base of an adapter is gone or changed.
    """
    if to.is_dir():
        return
    trained, base = _target(home, dataset, key), read_base(home.stored("target_base", dataset))
    with replacing(to) as unfinished:
        unfinished.mkdir()
        _write(trained.path, unfinished, base=base, settings=home.settings(dataset).target_base, merge=True)


def name_of_base(base: Path, settings: BaseModelSettings) -> tuple[str, str | None]:
    """How other programs find a base: its hub id with the commit, or its directory with None."""
    # The hub's cache names a snapshot by its commit.
    return (settings.source, settings.revision) if base.name == settings.revision else (str(base.absolute()), None)


def _target(home: Home, dataset: str, key: SelectionKey) -> Checkpoint:
    """The stored model of a selection; its files are those that training saved."""
    return read_checkpoints(home.stored("target_model", f"{dataset}|{key}")["checkpoints"], home.path())[-1]


def _write(trained: Path, directory: Path, *, base: Path, settings: BaseModelSettings, merge: bool) -> ExportedModel:
    from xmas_assets.vlm.exporting import write_adapter, write_merged
    from xmas_assets.vlm.loading import ADAPTER_FILE, EXTRA_FILE

    if not (trained / ADAPTER_FILE).is_file():
        copy_into(directory, trained.iterdir())  # under the modes that the umask says, not those of the home
        return ExportedModel("whole model")
    if merge:
        write_merged(trained, directory, base=base)
        return ExportedModel("adapter merged into its base", known_digest(base))
    name, revision = name_of_base(base, settings)
    write_adapter(trained, directory, base=base, name=name, revision=revision)
    not_loaded = EXTRA_FILE if (directory / EXTRA_FILE).is_file() else None
    return ExportedModel(f"adapter on {name}", known_digest(base), not_loaded)
