"""A folder that is written for other programs, with a note of what it is, by which a later export knows it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xmas_assets.contracts.errors import OutputError
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.outputs import claim_folder
from xmas_assets.files.notes import read_note
from xmas_assets.files.whole import file_sha256, files_digest, replacing_folder

NOTE = "xmas_export.json"
"""The file in an export that says what it is, and the SHA-256 of every other file, and of what each folder holds."""


@contextmanager
def exporting(
    to: Path, *, inputs: Inputs, is_replaced: Callable[[Mapping[str, Any]], bool]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give an empty folder to fill, and a note to fill; an earlier export is replaced when the new one is complete.

    Args:
        to: Where the folder will be; missing parents are made.
        inputs: What is never replaced.
        is_replaced: Whether an earlier export with this note may be replaced; one that was changed never is.

    Raises:
        OutputError: If something else is at ``to``, or it cannot be written.
    """

    def check() -> None:
        claim_folder(to, inputs=inputs, why_not_ours=lambda: _why_not_ours(to, is_replaced))

    check()
    try:
        with replacing_folder(to) as unfinished:
            unfinished.mkdir()
            note: dict[str, Any] = {}
            yield unfinished, note
            note["files"] = _hashes(unfinished)
            (unfinished / NOTE).write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")
            check()  # again: something may have appeared there while this was written
    except OSError as error:
        raise OutputError(f"the export to {ascii(str(to))[:300]} failed: {error.strerror or error}") from error


def changed_parts(directory: Path) -> list[str]:
    """The files and folders of an export that are not as they were written, sorted; empty if all are.

    Raises:
        OutputError: If there is no note of an export, or it cannot be read.
    """
    try:
        expected = dict(read_note(directory / NOTE)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(f"{ascii(str(directory))[:300]} has no {NOTE} that can be read; export it again") from None
    found = _hashes(directory)
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def _why_not_ours(directory: Path, is_replaced: Callable[[Mapping[str, Any]], bool]) -> str | None:
    """Why a directory is not an earlier export, in words that follow its name; None if it is one, unchanged."""
    try:
        note = read_note(directory / NOTE)
        expected, is_same_kind = note["files"], is_replaced(note)
        found = _hashes(directory)
    except (OSError, ValueError, KeyError, TypeError):
        return "is not an earlier export"
    if not is_same_kind:
        return "is an export of something else"
    return None if found == expected else "was changed since it was exported"


def _hashes(directory: Path) -> dict[str, str | None]:
    return {path.name: _digest(path) for path in sorted(directory.iterdir()) if path.name != NOTE}


def _digest(path: Path) -> str | None:
    """Hash of a file, or of all files in a folder; None if anything else is there: reading a pipe would wait."""
    if path.is_file():
        return file_sha256(path)
    inner = sorted(each for each in path.rglob("*") if not each.is_dir())
    is_plain = path.is_dir() and all(each.is_file() for each in inner)
    return files_digest(inner, below=path) if is_plain else None
