"""Which path an output may take, and how it takes it: it replaces an earlier output of ours, and never an input."""

import csv
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from xmas_assets.contracts.errors import OutputError
from xmas_assets.data.inputs import Inputs
from xmas_assets.files.whole import rename_all, temporary_path

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class Claim(NamedTuple):
    """A path that an output may take, and the file that was there when this was checked (None: nothing)."""

    path: Path
    seen: os.stat_result | None


def regular_file(path: Path) -> os.stat_result | None:
    """Status of the file at a path; None if nothing is there.

    Raises:
        OutputError: If a link, directory, pipe or device is there, or the path cannot be one of a file.
    """
    _check_text(path)
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"{_shown(path)} cannot be written ({error.strerror}); choose another path") from None
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        raise OutputError(f"{_shown(path)} is {kind}; give the path of a file")
    return status


def claim(path: Path, *, inputs: Inputs, why_not_ours: Callable[[], str | None], force: bool | None = None) -> Claim:
    """Check that an output may take a path. Nothing is written.

    Args:
        path: Where the output will be.
        inputs: What is never replaced.
        why_not_ours: Called if a regular file is there: why it is not an earlier output of ours as we wrote it, in
            words that follow its name; None if it is one.
        force: Replace any regular file that is not an input; None where the command has no ``--force``.

    Raises:
        OutputError: If the path is, or stands for, an input, a link, a directory, a pipe or a device, a file that is
            not ours or is read-only (unless forced), or if its folder cannot be written.
    """
    seen = regular_file(path)
    if problem := inputs.why_never(path):
        raise OutputError(f"{_shown(path)} {problem}; choose another path")
    if seen is not None:
        _check_replaceable(path, seen, inputs=inputs, why_not_ours=why_not_ours(), force=force)
    _check_folder(path)
    return Claim(path, seen)


def place(finished: Path, claimed: Claim) -> None:
    """Give a finished file the claimed name, unless something happened there since it was claimed.

    Args:
        finished: A file on the same disk, whole.
        claimed: From ``claim``.

    Raises:
        OutputError: If a file appeared at the path, was changed or is gone; it is left as it is.
    """
    if claimed.seen is None:
        try:
            claimed.path.touch(exist_ok=False)  # a rename alone would destroy what appeared meanwhile
        except FileExistsError:
            raise OutputError(f"{_shown(claimed.path)} appeared while it was being written; try again") from None
    else:
        now = regular_file(claimed.path)
        if now is None or _state(now) != _state(claimed.seen):
            raise OutputError(f"{_shown(claimed.path)} changed while it was being written; try again")
    rename_all({finished: claimed.path})


def write_new_file(path: Path, content: Callable[[], bytes], *, suffix: str, inputs: Inputs) -> None:
    """Write a file where there is none; its content is made once it is known to have a place.

    Raises:
        OutputError: As ``claim_new_file``, or if it cannot be written.
    """
    write_claimed(claim_new_file(path, suffix=suffix, inputs=inputs), content())


def claim_new_file(path: Path, *, suffix: str, inputs: Inputs) -> Claim:
    """Check that a new file may take a path where there is none.

    Raises:
        OutputError: If its name ends in anything but ``suffix``, something is there, its folder is not, or it would be
            an input or inside the home.
    """
    if path.suffix.lower() != suffix:
        raise OutputError(f"{_shown(path)} does not end in {suffix}; give it this ending")
    if regular_file(path) is not None:
        raise OutputError(f"{_shown(path)} is there already; choose another path, or remove it")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"the folder of {_shown(path)} does not exist; make it first")
    return claim(path, inputs=inputs, why_not_ours=lambda: "was not there before")


def write_claimed(claimed: Claim, content: bytes) -> None:
    """Write a file to the path that was claimed for it; errors as of ``filling``."""
    with filling(claimed) as unfinished:
        unfinished.write_bytes(content)


@contextmanager
def filling(claimed: Claim) -> Iterator[Path]:
    """Give a free path; the file that is made at it takes the claimed one.

    Raises:
        OutputError: As ``place``, or if it cannot be written.
    """
    try:
        with temporary_path(claimed.path) as unfinished:
            yield unfinished
            place(unfinished, claimed)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{_shown(claimed.path)} cannot be written ({reason}); choose another path") from error


def csv_bytes(names: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV below their names; a text that a spreadsheet would take for a formula follows an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def place_folder(finished: Path, target: Path, *, may_merge: bool) -> Callable[[], None]:
    """Move the files of a finished folder to where they stay; a file that is there already is left as it is.

    Args:
        finished: A folder on the same disk, which holds folders with files that are named by their content.
        target: The folder to be; its name, and those of its folders, may not be links.
        may_merge: Add to a folder that is there already.

    Returns:
        What takes the files away again.

    Raises:
        OutputError: If the folder is there and may not be added to, or holds other content under one of the names.
    """
    if not os.path.lexists(target):
        rename_all({finished: target})
        return lambda: shutil.rmtree(target)
    if not may_merge:
        raise OutputError(f"{_shown(target)} is there already, with other files; choose another path, or add --force")
    sources = sorted(path for path in finished.rglob("*") if path.is_file())
    moves = [(source, target / source.relative_to(finished)) for source in sources]
    missing = [(source, place) for source, place in moves if not _holds(place, source.read_bytes(), below=target)]
    for _, place in missing:
        place.parent.mkdir(exist_ok=True)
    rename_all(dict(missing))
    return lambda: _remove(place for _, place in missing)


def require_empty_folder(path: Path, *, seen: str = "is not empty") -> None:
    """Refuse a folder for many files that holds anything; one that does not exist is free.

    Args:
        path: Where the folder will be.
        seen: What to say of one that holds something, in words that follow its name.

    Raises:
        OutputError: If something is there that is not an empty folder, or the path cannot be used.
    """
    try:
        is_free = not os.path.lexists(path) or not any(path.iterdir())
    except OSError as error:
        raise OutputError(f"{_shown(path)} cannot be written ({error.strerror}); choose another folder") from None
    if not is_free:
        raise OutputError(f"{_shown(path)} {seen}; give a new or empty folder")


def claim_folder(path: Path, *, inputs: Inputs, why_not_ours: Callable[[], str | None]) -> None:
    """Check that a new folder may take a path: nothing, an empty folder or an earlier output of ours is there.

    Args:
        path: Where the folder will be.
        inputs: What is never replaced.
        why_not_ours: As of ``claim``, of a folder that may not be there.

    Raises:
        OutputError: If something else is there, the path belongs to an input, or its folder cannot be written.
    """
    _check_text(path)
    if problem := inputs.why_never(path):
        raise OutputError(f"{_shown(path)} {problem}; choose another folder")
    if os.path.islink(path):  # noqa: PTH114 - a name too long for a path is just none
        raise OutputError(f"{_shown(path)} is a symbolic link; give the folder itself")
    if problem := why_not_ours():
        require_empty_folder(path, seen=f"is not empty and {problem}")
    _check_folder(path)


def _check_replaceable(
    path: Path, seen: os.stat_result, *, inputs: Inputs, why_not_ours: str | None, force: bool | None
) -> None:
    or_force = "" if force is None else ", or add --force to replace it"
    if inputs.unread is not None:  # one of its files could be this one
        raise OutputError(f"{_shown(path)} is there already, and may be an input: {inputs.unread}")
    if why_not_ours is not None:
        if problem := inputs.why_not_replaced(path):
            raise OutputError(f"{_shown(path)} {problem}; choose another path")
        if not force:
            raise OutputError(f"{_shown(path)} is there already and {why_not_ours}; choose another path{or_force}")
        if seen.st_nlink > 1:
            raise OutputError(f"{_shown(path)} is a hard link, and its other names may be inputs; choose another path")
    if not force and not (seen.st_mode & stat.S_IWUSR and os.access(path, os.W_OK)):
        raise OutputError(f"{_shown(path)} is read-only; choose another path{or_force}")


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def _holds(place: Path, data: bytes, *, below: Path) -> bool:
    """Whether a file is there; False if nothing is.

    Raises:
        OutputError: If it holds something else, or a folder on the way is a link.
    """
    for folder in (below, place.parent):
        if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
            raise OutputError(f"{_shown(folder)} is not a directory of its own; choose another path")
    if regular_file(place) is None:
        return False
    if place.read_bytes() != data:
        raise OutputError(f"{_shown(place)} is there already, with other content; remove it, or choose another path")
    return True


def _check_text(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise OutputError(f"{_shown(path)} is not valid UTF-8; choose another path") from None


def _check_folder(path: Path) -> None:
    folder = path.absolute().parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(f"{_shown(folder)} is not a directory; choose another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{_shown(folder)} may not be written by this user; choose another path")


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _shown(path: Path) -> str:
    return ascii(str(path))[:300]
