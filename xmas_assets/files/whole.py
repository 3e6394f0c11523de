"""Whole files and folders: hashed, and written so that a reader never sees half of one."""

import glob
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from xmas_assets.contracts.errors import DatasetError

UNFINISHED = ".unfinished"
"""Ending of what is being written, and of what a killed process has left."""

_DAY = 24 * 60 * 60
_SLACK_NS = 2_000_000_000  # file systems stamp files by clocks that are coarser than ours


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces.

    Raises:
        DatasetError: If the file is not there, is not a regular file, or cannot be read.
    """
    check_readable(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_digest(paths: Iterable[Path], *, below: Path) -> str:
    """Hex SHA-256 over files: their names below a folder, and their bytes, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.relative_to(below)}\0{content}\n".encode())
    return digest.hexdigest()


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


def file_stamps(paths: Iterable[Path]) -> list[tuple[str, int, int, int, int]]:
    """Name, size, times of the last changes and inode of each file: others once a file was written to or replaced.

    Raises:
        FileNotFoundError: If one is not there.
    """
    stats = ((path.name, path.stat()) for path in paths)
    return [(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino) for name, stat in stats]


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a free path next to ``target``; the file or folder made at it gets that name when it is whole and on disk.

    After an error (also a full disk) nothing of it is left, and the old target is as it was.

    Args:
        target: A file that is there is replaced; a folder must not be there yet. Missing parents are made.
    """
    with temporary_path(target) as unfinished:
        yield unfinished
        rename_all({unfinished: target})


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """Do as ``replacing`` does, also where a folder is there.

    No system call that Python has exchanges two folders. So the old one is renamed first, and named back if the new one
    cannot take its place; after a kill in between, it is next to ``target`` under a name that ends in ``.unfinished``.
    """
    with temporary_path(target) as unfinished, temporary_path(target) as former:
        yield unfinished
        aside = {target: former} if target.exists() else {}
        try:
            rename_all({**aside, unfinished: target})
        finally:
            if former.exists() and not target.exists():
                former.replace(target)


def _prefix(name: str) -> str:
    """What the names of a file begin with while it is unfinished."""
    return f".{name[:40]}."


@contextmanager
def temporary_path(target: Path) -> Iterator[Path]:
    """Give a free path in the folder of ``target``, which is made; the file or folder left at it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{_prefix(target.name)}{secrets.token_hex(8)}{UNFINISHED}")
    try:
        yield unfinished
    finally:
        remove(unfinished)


def rename_all(moves: Mapping[Path, Path]) -> None:
    """Rename files and folders once all of them are on disk, and wait until the new names are on disk too.

    Args:
        moves: New names by present ones, on the same disk. A file that has the new name is replaced.
    """
    for path in moves:
        sync(path)
    for path, target in moves.items():
        path.replace(target)
    for folder in dict.fromkeys(target.parent for target in moves.values()):
        _sync_one(folder)


def move_files(source: Path, target: Path) -> list[str]:
    """Give every file of a folder its place below another, once all are on disk; returns their names, with folders.

    One wait for the whole disk is quicker than one for each of many small files.
    """
    names = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
    os.sync()
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(target / name)
    for folder in {(target / name).parent for name in names}:
        _sync_one(folder)
    return names


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it to another disk or to one without hard links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def copy_into(directory: Path, files: Iterable[Path]) -> None:
    """Copy files, under their names, into a folder that is being made: they are on disk when that gets its name."""
    for path in files:
        shutil.copyfile(path, directory / path.name)


def remove_unfinished(directory: Path, *, of: str = "") -> list[str]:
    """Remove what killed processes left unfinished in a folder; returns its names.

    Args:
        directory: Nobody else is writing in it.
        of: A file's name: only what was to become that file, which nobody else is writing.
    """
    leftovers = sorted(directory.glob(f"{glob.escape(_prefix(of)) if of else ''}*{UNFINISHED}"))
    for leftover in leftovers:
        remove(leftover)
    return [leftover.name for leftover in leftovers]


def remove_old(notes: Iterable[Path]) -> None:
    """Remove unfinished notes that are a day old, where others may be writing: nobody takes so long over a small file.

    Age needs neither locks nor process ids, which a network file system or another container may not share. What may
    not be removed stays.
    """
    for note in notes:
        with suppress(OSError):
            if time.time() - note.stat().st_mtime > _DAY:
                note.unlink()


def stamp_of(status: os.stat_result | None) -> str:
    """Size and time of a file; "" if it is not there."""
    return "" if status is None else f"{status.st_size}:{status.st_mtime_ns}"


def is_settled(status: os.stat_result, began_ns: int) -> bool:
    """Whether a file last changed well before a time, so that its size and time then stand for what was read after."""
    return max(status.st_mtime_ns, status.st_ctime_ns) < began_ns - _SLACK_NS


def sync(path: Path) -> None:
    """Wait until a file, or a folder with everything in it, is on disk."""
    for inner in path.rglob("*") if path.is_dir() else ():
        _sync_one(inner)
    _sync_one(path)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file, a folder with all in it, or a link (not what it links to); what is not there is left so."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
