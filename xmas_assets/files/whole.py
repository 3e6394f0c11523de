"""Whole files: hashing them and replacing them so that a reader never sees half of one."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xmas_assets.contracts.errors import DatasetError

UNFINISHED = ".unfinished"
"""Ending of a file that ``write_whole`` has not finished."""


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces.

    Raises:
        DatasetError: If the file is not there, is not a regular file, or cannot be read.
    """
    check_readable(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_readable(path: Path) -> None:
    """Refuse a path that is not a readable regular file, before anything opens it (a FIFO would hang).

    Raises:
        DatasetError: Naming the path and what it is.
    """
    if not path.exists():
        raise DatasetError(f"{str(path)!r} does not exist; give the path of an annotation file")
    if not path.is_file():
        raise DatasetError(f"{str(path)!r} is not a regular file; give the path of an annotation file")
    if not os.access(path, os.R_OK):
        raise DatasetError(f"{str(path)!r} may not be read by this user; grant read permission")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path next to ``target``; on leaving without an error it takes the target's place at once.

    After an error (also a full disk) the temporary file is gone and the old target is as it was.
    """
    with temporary_path(target) as temporary:
        temporary.touch(exist_ok=False)
        yield temporary
        sync(temporary)
        temporary.replace(target)


@contextmanager
def temporary_path(target: Path) -> Iterator[Path]:
    """Give a free path in the folder of ``target``, which is made; the file or folder left at it is removed.

    Whoever makes the file there leaves its mode to the umask.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file aside, sync it and rename it, so that ``path`` is never seen half written.

    Args:
        path: The final name; an existing file is replaced.
        write: Called with the path of the file that it must write, beside the final one.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    write(unfinished)
    sync(unfinished)
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sync(path: Path) -> None:
    """Wait until a file's bytes are on disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
