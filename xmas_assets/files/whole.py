"""Whole files: hashing them and replacing them so that a reader never sees half of one."""

import hashlib
import os
import tempfile
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
    """Give a temporary path beside ``target``; on leaving without an error it takes the target's place at once.

    After an error (also a full disk) the temporary file is gone and the old target is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file aside, sync it and rename it, so that ``path`` is never seen half written.

    Args:
        path: The final name; an existing file is replaced.
        write: Called with the path of the file that it must write, beside the final one.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    write(unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
