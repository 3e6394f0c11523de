"""Which of a dataset's files are others than when it was last read."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from xmas_assets.data.images import STORE_PREFIX
from xmas_assets.home.file_notes import FileNotes
from xmas_assets.home.home import Home
from xmas_assets.home.records import require_read
from xmas_assets.home.seen_files import READ_BY, seen_files
from xmas_assets.home.seen_models import seen_models
from xmas_assets.home.stored_tables import StoredTables, read_sources

_N_EXAMPLES = 3


class FileChange(NamedTuple):
    """Files of a dataset with one kind of change.

    Attributes:
        files: Of records or images, and which: ``source`` (training and test) or ``validation``; or of the model that
            a section of the settings names.
        change: ``came``, ``changed`` or ``vanished``.
        n_files: How many.
        first: Names of the first ones, at most three.
    """

    files: str
    change: str
    n_files: int
    first: list[str]


def file_changes(home: Home, dataset: str) -> list[FileChange]:
    """What came, changed or vanished of a dataset's files and models since they were last read.

    Only what was touched is read.
    """
    looked_at: list[tuple[str, FileNotes]] = []
    for section, asset in READ_BY.items():
        if home.is_stored(asset, dataset):
            seen = seen_files(home, dataset, section)._asdict()
            looked_at += [(f"{section} {files}", notes) for files, notes in seen.items()]
    looked_at += [(f"{model.section} files", model.notes) for model in seen_models(home, dataset)]
    return [
        FileChange(files, change, len(names), names[:_N_EXAMPLES])
        for files, notes in looked_at
        for change, names in notes.changes()._asdict().items()
        if names
    ]


def say_file_changes(home: Home, dataset: str, *, say: Callable[[str], None]) -> None:
    """Say what changed, in a line for each kind of change; nothing if nothing did."""
    for seen in file_changes(home, dataset):
        first = ", ".join(seen.first)
        say(f"  {seen.files} that {seen.change} since {dataset} was read: {seen.n_files:,}; first {first}")


def note_stored_files(home: Home, dataset: str) -> None:
    """Note the files of a dataset that an earlier version of xmas_assets read, which made no notes.

    Raises:
        StoreError: If it was not read yet.
    """
    require_read(home, dataset)
    for section, asset in READ_BY.items():
        seen = seen_files(home, dataset, section)
        if seen.images.is_there() or not home.is_stored(asset, dataset):
            continue
        tables = home.stored(asset, dataset)
        # At 0 everything changed since: all is looked at once, by content.
        seen.images.note(_image_hashes(tables), began_ns=0)
        if section == "source":
            files = zip(home.registration(dataset).annotations, read_sources(tables["samples"]), strict=False)
            seen.records.note({str(path): file.sha256 for path, file in files}, began_ns=0)


def _image_hashes(tables: StoredTables) -> dict[str, str]:
    """SHA-256 (hex) of the image files of stored rows, by reference."""
    hashes: dict[str, str] = {}
    for name in ("samples", "test"):
        if name in tables:
            images = tables[name].scan().select("images", "image_hashes").explode("images", "image_hashes")
            frame = images.filter(~pl.col("images").str.starts_with(STORE_PREFIX)).unique(maintain_order=True).collect()
            hashes |= dict(frame.iter_rows())
    return hashes
