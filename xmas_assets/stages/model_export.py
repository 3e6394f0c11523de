"""Give a trained target model as a directory that other programs load."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from xmas_assets.contracts.artifacts import Checkpoint, SelectionKey
from xmas_assets.contracts.errors import OutputError, StoreError
from xmas_assets.contracts.remedies import how_to_make_again
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.outputs import claim_folder
from xmas_assets.files.whole import file_sha256, replacing_folder
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import read_base, read_checkpoints

NOTE = "xmas_export.json"
"""The file in an export that says what it is, and the SHA-256 of every other file."""


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
    inputs = Inputs.of_home(home.root)
    claim_folder(to, inputs=inputs, why_not_ours=lambda: _why_not_ours(to))
    base = read_base(home.stored("target_base", dataset))
    try:
        with replacing_folder(to) as unfinished:
            unfinished.mkdir()
            exported = _write(trained.path, unfinished, base=base, settings=settings, merge=merge)
            note = {
                "dataset": dataset,
                "selection": str(key),
                "form": exported.form,
                "target": trained.digest,
                "base": exported.base,
                "files": {path.name: file_sha256(path) for path in sorted(unfinished.iterdir()) if path.name != NOTE},
            }
            (unfinished / NOTE).write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")
            # Again: something may have appeared there while this was written.
            claim_folder(to, inputs=inputs, why_not_ours=lambda: _why_not_ours(to))
    except OSError as error:
        raise OutputError(f"the export to {ascii(str(to))[:300]} failed: {error.strerror or error}") from error
    return exported


def name_of_base(base: Path, settings: BaseModelSettings) -> tuple[str, str | None]:
    """How other programs find a base: its hub id with the commit, or its directory with None."""
    # The hub's cache names a snapshot by its commit.
    return (settings.source, settings.revision) if base.name == settings.revision else (str(base.absolute()), None)


def _target(home: Home, dataset: str, key: SelectionKey) -> Checkpoint:
    """The stored model of a selection, after a check that its files are those that training saved."""
    from xmas_assets.vlm.loading import model_digest

    stored = home.stored("target_model", f"{dataset}|{key}")
    trained = read_checkpoints(stored["checkpoints"], home.path())[-1]
    if model_digest(trained.path) != trained.digest:
        folders = f"{trained.path.parent} and {stored.directory}"
        remedy = how_to_make_again("target_model", folder=folders, dataset=dataset, selection=key)
        raise StoreError(f"{trained.path} is gone, or not as training saved it; {remedy}")
    return trained


def _write(trained: Path, directory: Path, *, base: Path, settings: BaseModelSettings, merge: bool) -> ExportedModel:
    from xmas_assets.vlm.exporting import write_adapter, write_merged
    from xmas_assets.vlm.loading import ADAPTER_FILE, EXTRA_FILE, known_digest

    if not (trained / ADAPTER_FILE).is_file():
        shutil.copytree(trained, directory, dirs_exist_ok=True)
        return ExportedModel("whole model")
    if merge:
        write_merged(trained, directory, base=base)
        return ExportedModel("adapter merged into its base", known_digest(base))
    name, revision = name_of_base(base, settings)
    write_adapter(trained, directory, base=base, name=name, revision=revision)
    not_loaded = EXTRA_FILE if (directory / EXTRA_FILE).is_file() else None
    return ExportedModel(f"adapter on {name}", known_digest(base), not_loaded)


def _why_not_ours(directory: Path) -> str | None:
    """Why a directory is not an earlier export, in words that follow its name; None if it is one, unchanged."""
    try:
        expected = json.loads((directory / NOTE).read_text(encoding="utf-8"))["files"]
        paths = [path for path in directory.iterdir() if path.name != NOTE]
    except (OSError, ValueError, KeyError, TypeError):
        return "is not an earlier export"
    found = {path.name: file_sha256(path) if path.is_file() else None for path in paths}
    return None if found == expected else "was changed since it was exported"
