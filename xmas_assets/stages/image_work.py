"""The images of a dataset's folder, looked at in shards by an engine, before the records are read.

Nothing depends on it but who opens the images: what shards say of a file that has changed since, or was refused, is
looked at again by who reads the records.
"""

from dataclasses import dataclass
from pathlib import Path

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.libraries import library_versions
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.ingest import image_references
from xmas_assets.data.registration import Registration
from xmas_assets.files.whole import file_sha256, remove, remove_unfinished, replacing
from xmas_assets.home.home import Home
from xmas_assets.home.seen_files import READ_BY
from xmas_assets.home.versions import current_versions
from xmas_assets.scale.engines import SERIAL, Engine
from xmas_assets.scale.image_shards import LookAtImages, shards_of_list, write_list
from xmas_assets.scale.running import run_shards
from xmas_assets.scale.shards import ItemCounter, Shard

_VERSION = 1  # raised when the same files would give other results
IMAGE_STAGES = tuple(READ_BY.values())
"""Stages before which images are looked at."""
_FOLDER, _LIST = "images", "references.arrow"


@dataclass(frozen=True)
class ImageWork:
    """The look at the images of a dataset's records, where they lie in a folder.

    Attributes:
        registration: Where records and images are.
        workspace: Of the stage that reads the records, named by all that decides what it reads.
    """

    registration: Registration
    workspace: Path

    @property
    def is_listed(self) -> bool:
        """Whether a run or a part has begun with it."""
        return self._list.is_file()

    def list_images(self) -> list[Shard]:
        """List the references of all records, if that is not done yet; returns the shards that they make."""
        if not self.is_listed:
            self.registration.check_sources()
            with replacing(self._list) as unfinished:
                write_list(unfinished, image_references(self.registration))
        return shards_of_list(self._list)

    def make(self, engine: Engine, progress: ProgressCallback | None = None) -> list[Path]:
        """Have the images looked at that were not yet.

        Args:
            engine: Who looks at them; a single shard is not worth another process.
            progress: Told how many images are done.

        Returns:
            The shards, for ``seen_images``.

        Raises:
            DatasetError: If a file of records, or the folder, is not there.
            XmasError: As the engine.
        """
        shards = self.list_images()
        if engine.is_coordinator:
            remove_unfinished(self._list.parent)
        if engine.is_elsewhere and len(shards) == 1:
            engine = SERIAL
        versions = library_versions(("pillow",))
        return run_shards(
            self._list.parent / "shards",
            shards,
            LookAtImages(self._list, ImageRoot(self.registration.images)),
            key=repr(("images", _VERSION, versions, str(self.registration.images), file_sha256(self._list))),
            counter=ItemCounter(sum(shard.n_items for shard in shards), progress),
            engine=engine,
        )

    def remove(self) -> None:
        """Remove list and shards, also those of earlier states of the dataset: their rows may be forgotten by now."""
        for listed in self.workspace.parent.glob(f"*/{_FOLDER}/{_LIST}"):
            remove(listed.parent)

    @property
    def _list(self) -> Path:
        return self.workspace / _FOLDER / _LIST

    @property
    def has_folder(self) -> bool:
        """Whether the images are files of their own; others are looked at by who reads the records."""
        return self.registration.images is not None and self.registration.image_archive() is None


def image_work(home: Home, dataset: str, stage: str) -> ImageWork:
    """The look at images before one of ``IMAGE_STAGES`` reads the dataset as it is now.

    Raises:
        DatasetError: If there are no such records, or their images are in no folder.
    """
    section = next(section for section, asset in READ_BY.items() if asset == stage)
    registration = home.registration(dataset)
    if section == "validation":
        registration = registration.of_validation()
    if not ImageWork(registration, home.root).has_folder:
        raise DatasetError(
            f"the images of {dataset} are not files in a folder, and only such are looked at in parts; leave {stage} "
            "to 'xmas run', which looks at others as it reads the records"
        )
    return ImageWork(registration, home.workspace(stage, dataset, current_versions(home, dataset)[section]))


def list_images(home: Home, dataset: str, stage: str) -> str:
    """List the images for the parts of a stage, so that not each reads the records; raises as ``image_work``."""
    with home.using(dataset), home.publishing():
        work = image_work(home, dataset, stage)
        with home.locks.part(stage, dataset):
            n_shards = len(work.list_images())
    return f"images of {dataset} are listed for the parts of {stage}, in shards: {n_shards}"
