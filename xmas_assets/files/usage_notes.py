"""Notes next to work that say what it used: small JSON files, written whole."""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.usage import Usage, count_earlier, largest, metered
from xmas_assets.files.notes import read_note
from xmas_assets.files.whole import replacing

_LOG = logging.getLogger(__name__)
_NAME = "usage.json"


def write_usage(path: Path, usage: Usage, *, key: str = "") -> None:
    """Note what the work of this key used."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps({"key": key} | asdict(usage)), encoding="utf-8")


def read_usage(path: Path) -> tuple[str, Usage] | None:
    """Key and usage of a note; None if there is none. Of an earlier version's, only processor time is known.

    Raises:
        StoreError: If the note is damaged.
    """
    if not path.exists():
        return None
    try:
        note = read_note(path)
        seconds = [note.get(f"{name}_seconds") for name in ("wall", "gpu")]
        known = [None if value is None else float(value) for value in seconds]
        return str(note["key"]), Usage(float(note["cpu_seconds"]), *known)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} is damaged, so what this work cost is not known; delete it, and it counts as not measured"
        ) from error


@contextmanager
def adding_usage(folders: Iterable[Path]) -> Iterator[None]:
    """Add what the block uses to the note of each folder, once it is done."""
    with metered() as meter:
        yield
    add_usage(folders, meter.used())


def add_usage(folders: Iterable[Path], usage: Usage) -> None:
    """Add what some work used to the note of each folder."""
    for folder in folders:
        write_usage(folder / _NAME, usage + _noted(folder))


def count_usage_of(folders: Iterable[Path]) -> None:
    """Count what was used for the work that lies in these folders, which one pass made together."""
    count_earlier(largest(map(_noted, folders)))


def _noted(folder: Path) -> Usage:
    """What a folder's note says; nothing if there is none, or it is damaged, for which no work need stop."""
    try:
        note = read_usage(folder / _NAME)
    except StoreError:
        _LOG.warning("%s is damaged; what it counted is left out of the costs", folder / _NAME)
        note = None
    return note[1] if note else Usage()


def forget_usage(folder: Path) -> None:
    """Remove a folder's note, with the work that it was of."""
    (folder / _NAME).unlink(missing_ok=True)
