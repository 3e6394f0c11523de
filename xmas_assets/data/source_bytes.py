"""The bytes of an annotation file, unpacked while they are read if it is gzipped; bounded, never all in memory."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from xmas_assets.contracts.errors import DatasetError

GZIP_MAGIC = b"\x1f\x8b"
MAX_RATIO = 200  # JSON of long repeated answers shrinks to a fiftieth
_FREE_BYTES = 64 * 1024 * 1024  # a small file may shrink by any ratio


def opened(path: Path) -> BinaryIO:
    """Open an annotation file for reading.

    Raises:
        DatasetError: Here or while it is read, if a gzipped file is damaged, or unpacks to more than ``MAX_RATIO``
            times its size.
    """
    stream = path.open("rb")
    return io.BufferedReader(_Unpacked(path, stream), 1 << 20) if is_gzipped(path) else stream


def is_gzipped(path: Path) -> bool:
    """Whether a file begins as gzip files do."""
    with path.open("rb") as stream:
        return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a gzipped file."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        super().__init__()
        self._name = path.name
        self._source = stream
        self._inner = gzip.GzipFile(fileobj=stream)
        self._left = max(_FREE_BYTES, MAX_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._inner.read(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            raise DatasetError(f"{self._name}: damaged gzip file ({error}); get the file again") from None
        self._left -= len(data)
        if self._left < 0:
            raise DatasetError(
                f"{self._name}: unpacks to more than {MAX_RATIO} times its size; if that is right, unpack it (gunzip)"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()
