"""What a dataset's files were when it was last read, by the asset that read them; see ``FileNotes``."""

import hashlib
from typing import NamedTuple
from urllib.parse import quote

from xmas_assets.data.images import ImageRoot
from xmas_assets.home.file_notes import FileNotes
from xmas_assets.home.home import Home

READ_BY = {"source": "raw_dataset", "validation": "validation_samples"}
"""The asset that reads the files of a section."""


class SeenFiles(NamedTuple):
    """Notes on the files of records, by absolute path, and on the images, by reference.

    Images that the records carry, or that lie in an archive, are no files of their own and are not noted.
    """

    records: FileNotes
    images: FileNotes


def seen_files(home: Home, dataset: str, section: str) -> SeenFiles:
    """The notes on the files of one section of a dataset's settings: ``source`` or ``validation``."""
    images = home.registration(dataset).images
    folder = home.root / "work" / "seen_files" / quote(dataset, safe="")
    place = hashlib.sha256(str(images).encode()).hexdigest()[:16]  # the references of another folder are other images
    return SeenFiles(
        FileNotes.of_files(folder / f"{section}_records.json"),
        FileNotes.of_images(folder / f"{section}_images_{place}.json", ImageRoot(images, home.root / "images")),
    )
