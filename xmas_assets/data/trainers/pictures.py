"""The pictures of exported rows: copied beside them, linked, left where they are, or put into the rows."""

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from xmas_assets.contracts.errors import ImageError
from xmas_assets.data.decoding import image_format
from xmas_assets.data.images import STORE_PREFIX, ImageRoot, check_reference
from xmas_assets.files.whole import link_or_copy

ImageFiles = Literal["copy", "link", "leave", "embed"]
Paths = Literal["relative", "absolute"]
IMAGE_FILES: tuple[ImageFiles, ...] = get_args(ImageFiles)
PATHS: tuple[Paths, ...] = get_args(Paths)
FOLDER = "images"


@dataclass(frozen=True)
class Pictures:
    """Where the pictures of one export are, and where they go.

    Attributes:
        root: Where they are read from.
        unfinished: The export's folder while it is written.
        final: The absolute path that it will have.
        files: What happens to the files.
        paths: Whether paths in rows count from the export's folder or from the root of the file system.
    """

    root: ImageRoot
    unfinished: Path
    final: Path
    files: ImageFiles
    paths: Paths

    def read(self, ref: str, sha256: str) -> bytes:
        """The bytes that the picture had when the dataset was read.

        Raises:
            ImageError: If it cannot be read, or changed since.
        """
        return self.root.read(ref, sha256)

    def place(self, ref: str, sha256: str) -> str:
        """Put a picture where it belongs, unless an earlier row did, and give its path as rows name it.

        Raises:
            ImageError: As ``read``.
        """
        if self.files == "leave" and not ref.startswith(STORE_PREFIX):
            self.read(ref, sha256)
            path = self.root.resolve(ref)
            return str(path) if self.paths == "absolute" else os.path.relpath(path, os.path.realpath(self.final))
        name = f"{FOLDER}/{_name(ref, sha256)}"
        target = self.unfinished / name
        if not target.exists():
            data = self.read(ref, sha256)
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.files == "link":
                link_or_copy(self.root.resolve(ref), target)
            else:
                target.write_bytes(data)
        return name if self.paths == "relative" else str(self.final / name)


class Picture(NamedTuple):
    """A picture of a row."""

    ref: str
    sha256: str
    pictures: Pictures

    def path(self) -> str:
        """Its path as rows name it; the file is put there."""
        return self.pictures.place(self.ref, self.sha256)

    def data(self) -> bytes:
        """Its bytes."""
        return self.pictures.read(self.ref, self.sha256)


def suffix_of(data: bytes) -> str:
    """The usual ending of a picture's file name, without the dot, by its content."""
    return {"JPEG": "jpg"}.get(image_format(data), image_format(data).lower())


def _name(ref: str, sha256: str) -> str:
    """A picture's path among the export's: as in the source, or, of one that came as bytes, by its content."""
    name = posixpath.normpath(ref.removeprefix(STORE_PREFIX))
    try:
        check_reference(name)
    except ImageError:
        return f"{sha256[:2]}/{sha256}{posixpath.splitext(name)[1][:10]}"
    return name
