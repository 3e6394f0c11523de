"""Images in one ZIP or TAR file, read where they lie: the archive is not unpacked, and no link in it is followed."""

import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from xmas_assets.contracts.errors import DatasetError, ImageError
from xmas_assets.contracts.messages import one_line, shown
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.images import MAX_FILE_BYTES, ImageRoot, check_reference
from xmas_assets.data.source_bytes import is_gzipped
from xmas_assets.data.tar_records import check_end

# An encrypted file is a RuntimeError, one packed in an unknown way a NotImplementedError.
_DAMAGED_MEMBER = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError)
_S_IFREG = 0o10  # a regular file, in the highest four bits of a Unix mode


class _Member(NamedTuple):
    """A file in an archive: its name, size, whether it is a regular file, and its bytes."""

    name: str
    n_bytes: int
    is_file: bool
    read: Callable[[], bytes]


class ImageArchive:
    """The files of an archive, by references as those into a folder. Several threads may read at once."""

    def __init__(self, path: Path) -> None:
        """List the files of an archive.

        Raises:
            DatasetError: If it is neither ZIP nor TAR, gzipped, damaged, or cut off.
        """
        self._path = path
        self._references = ImageRoot(path)
        self._members: dict[str, list[_Member]] = defaultdict(list)
        if is_gzipped(path):
            raise DatasetError(f"{path}: a gzipped archive cannot be read in parts; unpack it (gunzip)")
        try:
            for member in _zipped(path) if zipfile.is_zipfile(path) else _in_tar(path):
                self._members[member.name.removeprefix("./")].append(member)
        except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise DatasetError(
                f"{path}: not a readable ZIP or TAR file ({one_line(error, 200)}); get it again, or give a folder"
            ) from None

    def check(self, ref: str) -> None:
        """Find a file, without reading it; raises as ``read``, but for what only its bytes show."""
        self._member(ref)

    def read(self, ref: str) -> bytes:
        """All bytes of a file.

        Raises:
            ImageError: ``image_missing``, ``image_not_a_file``, ``image_too_large``, ``image_empty``, or
                ``image_unreadable`` if it is encrypted, damaged, or there twice, or as ``check_reference``.
        """
        member = self._member(ref)
        try:
            data = member.read()
        except _DAMAGED_MEMBER as error:
            raise ImageError(Reason.IMAGE_UNREADABLE, f"{shown(ref)}: {one_line(error, 200)}") from None
        if not data:
            raise ImageError(Reason.IMAGE_EMPTY, f"{shown(ref)} has 0 bytes")
        return data

    def _member(self, ref: str) -> _Member:
        relative = self._references.relative(ref)
        check_reference(relative)
        members = self._members.get(relative.removeprefix("./"), [])
        if not members:
            example = next(iter(self._members), "no file")
            raise ImageError(
                Reason.IMAGE_MISSING, f"{shown(ref)} is not in {self._path.name}, which holds {shown(example)}"
            )
        member, *others = members
        if others:
            raise ImageError(Reason.IMAGE_UNREADABLE, f"{shown(ref)} is {len(members)} times in {self._path.name}")
        if not member.is_file:
            raise ImageError(Reason.IMAGE_NOT_A_FILE, f"{shown(ref)} is a link or device in {self._path.name}")
        if member.n_bytes > MAX_FILE_BYTES:
            raise ImageError(Reason.IMAGE_TOO_LARGE, f"{shown(ref)} has {member.n_bytes} bytes")
        return member


def image_files(images: Path | None) -> ImageRoot | ImageArchive:
    """What a registration's images are found in: a folder or an archive; raises as ``ImageArchive``."""
    return ImageArchive(images) if images is not None and images.is_file() else ImageRoot(images)


def _zipped(path: Path) -> Iterator[_Member]:
    archive = zipfile.ZipFile(path)
    for info in archive.infolist():
        if not info.is_dir():
            is_file = info.external_attr >> 28 in (0, _S_IFREG)  # 0 where it was not made on Unix
            yield _Member(info.filename, info.file_size, is_file, partial(archive.read, info))


def _in_tar(path: Path) -> Iterator[_Member]:
    with path.open("rb") as stream:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for info in archive:
                if not info.isdir():
                    is_file = info.isreg() and not info.issparse()
                    yield _Member(info.name, info.size, is_file, partial(_part, path, info.offset_data, info.size))
            stream.seek(archive.offset)
        check_end(path, stream)


def _part(path: Path, start: int, n_bytes: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(n_bytes)
