"""Images under a dataset's root: resolved without ever leaving it, read with bounds, opened as RGB."""

import errno
import hashlib
import os
import re
import stat
import time
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

from xmas_assets.contracts.errors import ImageError
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.decoding import decode_rgb, image_format
from xmas_assets.files.whole import replacing

STORE_PREFIX = "store:"  # reference of an image that was extracted from Parquet
MAX_FILE_BYTES = 256 * 1024 * 1024
_RETRY_SECONDS = (0.05, 0.2)
_PASSING_ERRORS = (errno.EIO, errno.ESTALE, errno.EINTR, errno.EAGAIN)
_ABSENT_ERRORS = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/|data:", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:/")
_FILE_ADDRESS = re.compile(r"file://(?:localhost)?(?=/)", re.IGNORECASE)
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class ImageRoot:
    """Opens a dataset's images, and nothing else on the machine."""

    def __init__(self, root: Path | None, store: Path | None = None) -> None:
        """Name the folders.

        Args:
            root: Folder that references are relative to; None if the dataset has only text or extracted images.
            store: Folder of images extracted from Parquet (references that start with ``store:``).
        """
        self._root = None if root is None else os.path.realpath(root)
        self._root_names = () if root is None else (str(root.absolute()), os.path.realpath(root))
        self._store = None if store is None else os.path.realpath(store)
        self._listings: dict[Path, dict[str, tuple[str, ...]]] = {}

    def __getstate__(self) -> Mapping[str, object]:
        """Without listings of folders, which may be long; another process lists again what it needs."""
        return vars(self) | {"_listings": {}}

    def resolve(self, ref: str) -> Path:
        """Path of the file that a reference names.

        A name that differs only in case or in Unicode normal form is found if it is the only such one.

        Raises:
            ImageError: ``image_outside_root`` (found in the text alone, before anything is opened, or because a link
                leads out), ``image_missing``.
        """
        if ref.startswith(STORE_PREFIX):
            root, relative = self._store, ref.removeprefix(STORE_PREFIX)
        else:
            root, relative = self._root, self.relative(ref)
        check_reference(relative)
        if root is None:
            raise ImageError(Reason.IMAGE_MISSING, f"{_shown(ref)}: the registration names no folder of images")
        path = os.path.realpath(Path(root, relative))
        if not os.path.lexists(path):
            path = os.path.realpath(self._twin(root, relative) or path)
        if not Path(path).is_relative_to(root):
            raise ImageError(Reason.IMAGE_OUTSIDE_ROOT, f"{_shown(ref)} is a link that leads out of the images folder")
        return Path(path)

    def check(self, ref: str) -> None:
        """Find a file, without opening it; raises as ``resolve``."""
        if not self.resolve(ref).is_file():
            raise ImageError(Reason.IMAGE_MISSING, f"{_shown(ref)} does not exist")

    def status(self, ref: str) -> os.stat_result | None:
        """Status of the file that a reference names, None if there is none. No file is opened; this takes microseconds.

        It may be that of a link that leads out, which ``read`` refuses.
        """
        if self._root is None:
            return None
        try:
            relative = self.relative(ref)
            check_reference(relative)
            return os.stat(f"{self._root}/{relative}")  # noqa: PTH116 - a Path takes longer than all the rest
        except OSError:
            with suppress(ImageError, OSError):
                return self.resolve(ref).stat()
        except ImageError:
            pass
        return None

    def relative(self, ref: str) -> str:
        r"""A reference as it counts from the root: of ``file://``, an absolute path in the root, or back slashes.

        Only the text is looked at. What leads elsewhere stays as it is, and ``check_reference`` refuses it.

        Example:
            >>> root = ImageRoot(Path("/data"))
            >>> root.relative("file:///data/my%20a.png"), root.relative("/data/a.png"), root.relative("b\\a.png")
            ('my a.png', 'a.png', 'b/a.png')
        """
        address = _FILE_ADDRESS.match(ref)
        text = unquote(ref[address.end() :]) if address else ref.replace("\\", "/")
        for name in self._root_names:
            if text.startswith(f"{name}/"):
                return text[len(name) + 1 :].lstrip("/")
        return text

    def _twin(self, root: str, relative: str) -> Path | None:
        """The one existing path whose names equal the asked ones but for case and Unicode normal form."""
        folder = Path(root)
        for name in relative.split("/"):
            if os.path.exists(folder / name):  # noqa: PTH110 - a name too long is just not there
                folder = folder / name
                continue
            if not Path(os.path.realpath(folder)).is_relative_to(root):
                return None
            if folder not in self._listings:  # listed once: a folder may hold 500,000 images
                self._listings[folder] = _folded_names(folder)
            twins = self._listings[folder].get(_folded(name), ())
            if len(twins) != 1:
                return None
            folder = folder / twins[0]
        return folder

    def read(self, ref: str, expected_hash: str | None = None) -> bytes:
        """All bytes of an image file.

        Args:
            ref: Reference as in ``Sample.images``.
            expected_hash: Hex SHA-256 that the file had when the dataset was read.

        Raises:
            ImageError: As ``resolve``, or ``image_not_a_file``, ``image_empty``, ``image_too_large``,
                ``image_unreadable`` (after retries, if the error is one that passes), ``image_changed`` if the bytes
                are others than expected.
        """
        data = self._read(ref)
        if expected_hash is not None and hashlib.sha256(data).hexdigest() != expected_hash:
            raise ImageError(Reason.IMAGE_CHANGED, f"{_shown(ref)} changed since the dataset was read; read it again")
        return data

    def _read(self, ref: str) -> bytes:
        path = self.resolve(ref)
        for pause in (*_RETRY_SECONDS, None):
            try:
                return _read_regular_file(path, ref)
            except OSError as error:
                if error.errno in _ABSENT_ERRORS:
                    raise ImageError(Reason.IMAGE_MISSING, f"{_shown(ref)} does not exist") from None
                if pause is None or error.errno not in _PASSING_ERRORS:
                    raise ImageError(Reason.IMAGE_UNREADABLE, f"{_shown(ref)}: {error.strerror}") from None
                time.sleep(pause)
        raise AssertionError("the last attempt either returns or raises")

    def open(self, ref: str, expected_hash: str | None = None) -> Image.Image:
        """The picture as 8-bit RGB, upright, first frame.

        Args:
            ref: Reference as in ``Sample.images``.
            expected_hash: Hex SHA-256 that the file had when the dataset was read.

        Raises:
            ImageError: As ``read`` and ``decode_rgb``.
        """
        return decode_rgb(self.read(ref, expected_hash))[0]


def check_reference(ref: str) -> None:
    """Refuse a reference that could lead out of the root, from its text alone; no file or address is touched.

    Raises:
        ImageError: ``image_outside_root`` for absolute paths and ``..``, also when percent-encoded, back slashes,
            addresses and drives; ``image_missing`` for one that no file can have.
    """
    if "\x00" in ref or not ref.strip("./"):
        raise ImageError(Reason.IMAGE_MISSING, f"{_shown(ref)} names no file")
    if _ADDRESS.match(ref) and not _FILE_ADDRESS.match(ref):
        remedy = "nothing is downloaded; save it (wget -P FOLDER ADDRESS) and name its path in the images folder"
        raise ImageError(Reason.IMAGE_OUTSIDE_ROOT, f"{_shown(ref)} is an address: {remedy}")
    for text in (ref, unquote(ref), unquote(unquote(ref))):
        is_absolute = text.startswith("/") or _DRIVE.match(text) or text.lower().startswith("file:")
        if is_absolute or "\\" in text or ".." in text.split("/") or text.startswith(STORE_PREFIX):
            remedy = "add the dataset with --images FOLDER that holds it, or write its path from that folder"
            raise ImageError(Reason.IMAGE_OUTSIDE_ROOT, f"{_shown(ref)} leads out of the images folder; {remedy}")


def store_image(data: bytes, store: Path) -> str:
    """Write an image's bytes once under the name of their hash.

    Args:
        data: The file's bytes.
        store: Folder that takes ``<sha[:2]>/<sha>.<ext>``.

    Returns:
        The reference for ``ImageRoot(..., store=store)``.

    Raises:
        ImageError: ``image_format`` if this is no image that we decode.
    """
    digest = hashlib.sha256(data).hexdigest()
    name = f"{digest[:2]}/{digest}.{image_format(data).lower()}"
    target = store / name
    if not target.is_file() or target.stat().st_size != len(data):
        with replacing(target) as unfinished:
            unfinished.write_bytes(data)
    return STORE_PREFIX + name


def _read_regular_file(path: Path, ref: str) -> bytes:
    """Read without following a link put there meanwhile, and without waiting for a FIFO or device."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise ImageError(Reason.IMAGE_NOT_A_FILE, f"{_shown(ref)} is a directory, pipe or device")
    with os.fdopen(os.open(path, _FLAGS), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(Reason.IMAGE_NOT_A_FILE, f"{_shown(ref)} is a directory, pipe or device")
        if status.st_size > MAX_FILE_BYTES:
            raise ImageError(Reason.IMAGE_TOO_LARGE, f"{_shown(ref)} has {status.st_size} bytes")
        data = stream.read(MAX_FILE_BYTES + 1)
    if not data:
        raise ImageError(Reason.IMAGE_EMPTY, f"{_shown(ref)} has 0 bytes")
    return data


def _folded_names(folder: Path) -> dict[str, tuple[str, ...]]:
    """Names in a folder by their folded form; empty if it cannot be listed."""
    names: dict[str, tuple[str, ...]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                key = _folded(entry.name)
                names[key] = (*names.get(key, ()), entry.name)
    except OSError:
        return {}
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _shown(ref: str) -> str:
    return ascii(ref)[:120]
