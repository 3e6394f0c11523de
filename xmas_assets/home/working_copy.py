"""How a home's folder follows its object store: what is fetched before it is read, and published after it was made."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

from xmas_assets.contracts.errors import StoreError
from xmas_assets.data.images import STORE_PREFIX
from xmas_assets.files.whole import file_sha256, remove, replacing
from xmas_assets.home.answers import ANSWERS, forgotten_answers
from xmas_assets.home.costs import StageCosts
from xmas_assets.home.forgotten import LIST, merge_forgotten, places_of, read_forgotten, remove_made
from xmas_assets.home.remote import RemoteHome
from xmas_assets.home.remote_images import fetch_images, forget_images, publish_images, sweep_images
from xmas_assets.home.remote_notes import FOLDER, UnitNote
from xmas_assets.home.stored_tables import StoredTables, list_values_among, read_checkpoints
from xmas_assets.store.reading import SUFFIX, Table

SCHEME = "s3://"
_LOG = logging.getLogger(__name__)
_NOTES = (
    "datasets/*.yaml",
    f"datasets/*{LIST}",
    "benchmarks/*.yaml",
    "ratings/*/*.parquet",
    "dagster/dagster.yaml",
    "mlflow/tracking.yaml",
)
_IMAGES = "images"
_WITH_IMAGES = frozenset({"raw_dataset", "validation_samples"})
_AT_ONCE = ("toy", "costs")
_STAYS_HERE = frozenset({"content", "mapped", "verified"})
_OF_WORK_STAYS = frozenset({"tables"})  # they are moved to their place, and published there
_WORK_PARTS = 4  # work/STAGE/PARTITION/KEY
_SECONDS = 30.0


def folder_of(address: str) -> Path:
    """Where the working copy of a home in an object store lies: below ``XMAS_SCRATCH``, or the user's cache."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    scratch = Path(os.environ.get("XMAS_SCRATCH") or Path(caches) / "xmas_assets")
    return scratch.absolute() / hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]


@dataclass
class WorkingCopy:
    """A home's folder and the store that it follows.

    Attributes:
        remote: The store.
    """

    remote: RemoteHome
    _working: dict[str, None] = field(default_factory=dict)
    _depth: int = 0

    @property
    def root(self) -> Path:
        """The folder."""
        return self.remote.root

    def open(self) -> None:
        """See what others published, and bring what every command reads.

        Raises:
            StoreError: If the store cannot be used, or a registration was changed here and there.
        """
        self.share_notes()
        with self.remote.alone():
            for path in sorted(self.root.glob(f"datasets/*{LIST}")):
                self._follow(path)
            forget_images(self.remote, ())
        for folder in _AT_ONCE:
            self.remote.fetch(folder)

    def share_notes(self) -> None:
        """Bring registrations, and the files of toy datasets, to the same state here and there; raises as ``open``."""
        here = [str(path.relative_to(self.root)) for pattern in _NOTES for path in self.root.glob(pattern)]
        self.remote.exchange(
            here, is_small=lambda unit: any(fnmatchcase(unit, pattern) for pattern in _NOTES), merge=merge_forgotten
        )
        for folder in sorted(self.root.glob("toy/*")):
            unit = str(folder.relative_to(self.root))
            if unit not in self.remote.index.digests:
                self.remote.publish(unit)

    def bring_work(self, folder: Path) -> None:
        """Bring a piece of work to this machine; what is done there in ``publishing`` is published."""
        unit = folder.relative_to(self.root)
        if unit.parts[1] not in _STAYS_HERE:
            self.remote.fetch(str(unit))
            self._working[str(unit)] = None

    def bring_checkpoints(self, tables: StoredTables) -> None:
        """Bring the checkpoints that tables name."""
        if "checkpoints" in tables:
            for checkpoint in read_checkpoints(tables["checkpoints"], self.root):
                work = checkpoint.path.relative_to(self.root).parts[:_WORK_PARTS]
                self.remote.fetch("/".join(work))

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Publish the work that is done meanwhile: now and then, so that another machine can go on, and at the end."""
        self.remote.refresh()
        for unit in self._working:
            self.remote.fetch(unit)  # another machine may have gone on while this one waited for its turn
        stop = threading.Event()
        thread = threading.Thread(target=self._publish_now_and_then, args=[stop], name="publishing", daemon=True)
        thread.start()
        self._depth += 1
        try:
            yield
            self._publish_work()
        except BaseException:
            self._try_to_publish()
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._working.clear()
            stop.set()
            thread.join()

    def publish_tables(self, directory: Path, *, asset: str) -> None:
        """Publish the tables of one partition, and before them the images that a dataset came with."""
        if asset in _WITH_IMAGES:
            publish_images(self.remote, needed=lambda names: _named_in(directory, names))
        self.remote.publish(str(directory.relative_to(self.root)))

    def publish_costs(self, partition: str, stages: Iterable[str]) -> None:
        """Publish what stages took."""
        for stage in stages:
            self.remote.publish(f"costs/{stage}/{quote(partition, safe='')}.json")

    def fetch_images(self) -> None:
        """Bring the images that came as bytes to this machine."""
        fetch_images(self.remote)

    def forget(self, dataset: str, *more: str) -> None:
        """Remove what was made of a dataset here and there, with what killed commands left, and notes gone here.

        Args:
            dataset: Its name; no run is at work on it.
            more: Other units that go.

        Raises:
            StoreError: If the store cannot be used.
        """
        self.remote.refresh()
        self.remote.drop(filter(_units_of(dataset, *more), list(self.remote.index.digests)))
        self.remote.fetch("tables/target_model")  # of other datasets
        asked = {self.root.joinpath(*Path(unit).parts[:3]) for unit in self.remote.index.below(f"work/{ANSWERS}")}
        answers = [str(folder.relative_to(self.root)) for folder in forgotten_answers(self.root, asked)]
        self.remote.drop(unit for folder in answers for unit in self.remote.index.below(folder))
        self.remote.index.sweep(_units_of(dataset, *more, *answers))
        self.share_notes()

    def forget_images(self) -> None:
        """Have no image in the store that was removed here; raises as ``forget``."""
        publish_images(self.remote)
        sweep_images(self.remote)

    def note_forgotten(self, path: Path) -> None:
        """Remember that nothing is here of the rows on a list."""
        with replacing(self._note_of(path)) as unfinished:
            unfinished.write_text(file_sha256(path), encoding="utf-8")

    def _note_of(self, path: Path) -> Path:
        return self.root / FOLDER / "forgotten" / f"{path.stem}.txt"

    def _follow(self, path: Path) -> None:
        """Remove here what another machine has forgotten, and what was made of the dataset and never published."""
        note = self._note_of(path)
        if note.exists() and note.read_text(encoding="utf-8") == file_sha256(path):
            return
        dataset = path.name.removesuffix(LIST)
        forgotten = read_forgotten(self.root, dataset)
        for unit in filter(_units_of(dataset), list(UnitNote.noted(self.root))):
            self.remote.remove_here(unit)
        remove_made(self.root, dataset, StageCosts(self.root / "costs"))
        forget_images(self.remote, (image.removeprefix(STORE_PREFIX) for image in forgotten.images))
        if forgotten.images:
            remove(self.root / "features")
        self.note_forgotten(path)

    def _publish_now_and_then(self, stop: threading.Event) -> None:
        while not stop.wait(_SECONDS):
            self._try_to_publish()

    def _try_to_publish(self) -> None:
        try:
            self._publish_work()
        except (StoreError, OSError) as error:  # tried again, at the end in earnest
            _LOG.info("work is not published yet: %s", error)

    def _publish_work(self) -> None:
        for unit in list(self._working):
            self.remote.publish(unit, skipped=_OF_WORK_STAYS)


def _units_of(dataset: str, *more: str) -> Callable[[str], bool]:
    """Whether a unit is, or is below, a place of what was made of a dataset, or what more patterns name."""
    patterns, partitions = places_of(dataset)
    patterns += [*more, *(f"costs/*/{partition}.json" for partition in partitions)]
    depths = [(pattern, pattern.count("/") + 1) for pattern in patterns]
    return lambda unit: any(fnmatchcase("/".join(unit.split("/")[:depth]), pattern) for pattern, depth in depths)


def _named_in(directory: Path, images: set[str]) -> set[str]:
    """Which of some stored images the rows of a folder's tables have."""
    tables = [Table.open(path) for path in sorted(directory.glob(f"*{SUFFIX}"))]
    references = {STORE_PREFIX + image for image in images}
    found = [list_values_among(table, _IMAGES, references) for table in tables]
    return {reference.removeprefix(STORE_PREFIX) for reference in set[str]().union(*found)}
