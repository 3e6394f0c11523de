"""What the model directories that a dataset's settings name held when they were last read; see ``FileNotes``."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.model_content import known_digest, known_sha256, model_files
from xmas_assets.home.file_notes import FileNotes
from xmas_assets.home.home import Home

_OF_SECTION = {
    "base_model": ("source", "base_model"),
    "target_base": ("source", "target_base"),
    "clip": ("source", "clip_embeddings"),
    "tags": ("model", "tags"),
}
"""By section of the settings: the field that may name a directory, and the asset that reads it."""
_OTHER_WORDS = ("base", None)  # the base model; no model at all


class SeenModel(NamedTuple):
    """A model directory that a section names, and the notes on its files.

    A hub id is none: its commit says what it holds. Nor is the toy model, which comes with the package.
    """

    section: str
    directory: Path
    notes: FileNotes


def seen_models(home: Home, dataset: str) -> Iterator[SeenModel]:
    """The model directories of a dataset that were read: of what nobody read, nothing can be stale.

    Raises:
        StoreError: If notes are damaged.
    """
    for section, (_, asset) in _OF_SECTION.items():
        seen = _seen_model(home, dataset, section)
        if seen is not None and home.is_stored(asset, dataset):
            if not seen.notes.is_there():
                _note_as_stored(home, dataset, seen, asset=asset)
            yield seen


def note_model(home: Home, dataset: str, section: str) -> None:
    """Note the files of the model that a section names as they are now; call it before they are read."""
    seen = _seen_model(home, dataset, section)
    if seen is not None:
        seen.notes.change()  # a file that came since counts as one, and not as noted from the start
        _note(seen)


def _note_as_stored(home: Home, dataset: str, seen: SeenModel, *, asset: str) -> None:
    """Note what an earlier version read and made no notes of; files that are not those that it read have all come."""
    try:
        tables = home.stored(asset, dataset)
    except StoreError:  # damaged, so it is made again
        return
    if "model" in tables and tables["model"].column("digest")[0] != known_digest(seen.directory):
        seen.notes.note({}, began_ns=0)
    else:
        _note(seen)


def _note(seen: SeenModel) -> None:
    began_ns = time.time_ns()
    seen.notes.note({str(path): known_sha256(path) for path in model_files(seen.directory)}, began_ns=began_ns)


def _seen_model(home: Home, dataset: str, section: str) -> SeenModel | None:
    name = getattr(home.settings(dataset).sections()[section], _OF_SECTION[section][0])
    if name in _OTHER_WORDS:
        return None
    directory = Path(name).expanduser().absolute()
    place = hashlib.sha256(str(directory).encode()).hexdigest()[:16]  # another directory is another model
    folder = home.root / "work" / "seen_files" / quote(dataset, safe="")
    notes = FileNotes.of_model(folder / f"{section}_{place}.json", directory)
    return SeenModel(section, directory, notes) if directory.is_dir() or notes.is_there() else None
