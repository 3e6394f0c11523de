"""Which path an output may take, and how it takes it: it replaces an earlier output of ours, and never an input."""

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from xmas_assets.contracts.errors import OutputError
from xmas_assets.data.inputs import Inputs
from xmas_assets.files.whole import rename_all

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


def claim(path: Path, *, inputs: Inputs, why_not_ours: Callable[[], str | None], force: bool = False) -> Claim:
    """Check that an output may take a path. Nothing is written.

    Args:
        path: Where the output will be.
        inputs: What is never replaced.
        why_not_ours: Called if a regular file is there: why it is not an earlier output of ours as we wrote it, in
            words that follow its name; None if it is one.
        force: Replace any regular file that is not an input.

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
    path: Path, seen: os.stat_result, *, inputs: Inputs, why_not_ours: str | None, force: bool
) -> None:
    if inputs.unread is not None:  # one of its files could be this one
        raise OutputError(f"{_shown(path)} is there already, and may be an input: {inputs.unread}")
    if why_not_ours is not None:
        if problem := inputs.why_not_replaced(path):
            raise OutputError(f"{_shown(path)} {problem}; choose another path")
        if not force:
            raise OutputError(
                f"{_shown(path)} is there already and {why_not_ours}; choose another path, or add --force to replace it"
            )
        if seen.st_nlink > 1:
            raise OutputError(f"{_shown(path)} is a hard link, and its other names may be inputs; choose another path")
    if not force and not (seen.st_mode & stat.S_IWUSR and os.access(path, os.W_OK)):
        raise OutputError(f"{_shown(path)} is read-only; choose another path, or add --force to replace it")


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
