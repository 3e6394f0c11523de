"""Where everything lives: the folders below ``XMAS_HOME``, and who may write in them. Nothing else knows its layout."""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from PIL import Image

from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.settings import Settings
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.profiles import load_settings
from xmas_assets.data.registration import Registration
from xmas_assets.data.registration_file import replace_line
from xmas_assets.files.whole import UNFINISHED, remove_old, remove_unfinished
from xmas_assets.home.benchmarks import Benchmarks
from xmas_assets.home.costs import StageCosts
from xmas_assets.home.locks import StageLocks
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.store.reading import SUFFIX
from xmas_assets.store.tables import partition_directory

# Where small files are written without a lock; elsewhere the next holder of the lock tidies up.
_NOTES = ("", "datasets/", "benchmarks/", "dagster/", "mlflow/outbox/", "costs/*/", "reports/*/")


@dataclass(frozen=True)
class Home:
    """The platform's folder on disk; opened once per command or run.

    Attributes:
        root: Absolute path; exists and can be written.
    """

    root: Path

    @classmethod
    def open(cls, root: str | Path = "") -> Self:
        """Open a home, and make it if it is not there; notes that killed processes left unfinished go after a day.

        Args:
            root: Its folder; empty for the environment's ``XMAS_HOME``, or ``.xmas`` where that is not set.

        Raises:
            StoreError: If the folder cannot be made or written, or its name cannot stand in a SQLite address.
        """
        home = cls.locate(root)
        if set("?%") & set(str(home.root)):
            raise StoreError(
                f"{home.root} holds '?' or '%', which the addresses of SQLite files cannot; set another XMAS_HOME"
            )
        home.path()
        for folder in _NOTES:
            # Path.glob fails where another process removes a folder meanwhile.
            found = glob(f"{folder}*{UNFINISHED}", root_dir=home.root, include_hidden=True)  # noqa: PTH207
            remove_old(home.root / name for name in found)
        return home

    @classmethod
    def locate(cls, root: str | Path = "") -> Self:
        """The home as ``open`` finds it, to look only: it is neither made nor checked."""
        return cls(Path(root or os.environ.get("XMAS_HOME") or ".xmas").absolute())

    def path(self, *parts: str) -> Path:
        """A folder below the root; it is made.

        Raises:
            StoreError: If it cannot be made or written.
        """
        folder = self.root.joinpath(*parts)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be made ({error.strerror}); set XMAS_HOME to a folder you can write"
            ) from error
        if not os.access(folder, os.W_OK):
            raise StoreError(f"{folder} is read-only; set XMAS_HOME to a folder you can write")
        return folder

    def datasets(self) -> list[str]:
        """Names of the registered datasets, sorted."""
        return Registration.names(self.root)

    def registration(self, dataset: str) -> Registration:
        """The dataset's registration, from ``datasets/<name>.yaml``.

        Raises:
            SettingsError: If there is none, or it is not valid.
        """
        return Registration.named(self.root, dataset)

    def registration_path(self, dataset: str) -> Path:
        """The file of a dataset's registration, which a person may edit.

        Raises:
            SettingsError: If there is none, or it is not valid.
        """
        return Registration.path(self.root, self.registration(dataset).name)

    def check_new(self, dataset: str) -> None:
        """Refuse a name that no new dataset can have.

        Raises:
            SettingsError: If it is not allowed, or there is a dataset of this name.
        """
        path = Registration.path(self.root, dataset)
        if path.exists():
            raise SettingsError(f"dataset {dataset!r} is there already; edit {path}, or remove it first")

    def register(self, registration: Registration) -> Path:
        """Add a dataset, after a look that its name, files and settings can be used; returns its registration's file.

        Raises:
            SettingsError: If there is a dataset of this name, or the profile or an override is not allowed.
            DatasetError: If a file or the image folder is not there.
        """
        self.check_new(registration.name)
        registration.check_sources()
        load_settings(registration.profile, registration.overrides)
        for name in registration.benchmarks:
            self.benchmarks.registration(name)
        return registration.save(self.root)

    def add_benchmarks(self, dataset: str, names: Iterable[str]) -> list[str]:
        """Have a dataset's targets scored on these benchmarks, too; returns those that are new to it.

        Raises:
            SettingsError: If the dataset or a benchmark is not registered.
        """
        known = self.registration(dataset).benchmarks
        new = [self.benchmarks.registration(name).name for name in dict.fromkeys(names) if name not in known]
        if new:
            replace_line(self.registration_path(dataset), "benchmarks", [*known, *new])
        return new

    @property
    def benchmarks(self) -> Benchmarks:
        """The registered benchmarks."""
        return Benchmarks(self.root)

    def settings(self, dataset: str) -> Settings:
        """The dataset's settings: its profile with its overrides.

        Raises:
            SettingsError: If the profile or an override is not allowed.
        """
        registration = self.registration(dataset)
        return load_settings(registration.profile, registration.overrides)

    def is_toy(self, dataset: str) -> bool:
        """Whether a dataset is the generated one, not a user's own."""
        # Older homes hold it in 'embedded'.
        return self.registration(dataset).images in (self.root / "toy" / dataset, self.root / "embedded" / dataset)

    def open_image(self, dataset: str) -> Callable[..., Image.Image]:
        """Opener of the dataset's images, confined to its root; given a hash too, it refuses an image that changed."""
        return ImageRoot(self.registration(dataset).images, self.image_store()).open

    def image_store(self) -> Path:
        """Where images that came as bytes inside Parquet files are kept, by content."""
        return self.path("images")

    def features(self) -> Path:
        """Where what frozen vision towers make of images is kept, for all datasets."""
        return self.path("features")

    def tables(self) -> Path:
        """Root of the Parquet tables that assets write."""
        return self.path("tables")

    def table_directory(self, asset: str, partition: str) -> Path:
        """Folder of one asset's tables for a partition key such as ``shapes`` or ``shapes|xmas_b0.20_s0``."""
        names = ("dataset", "selection")
        keys = dict(zip(names, partition.split("|"), strict=False))
        return partition_directory(self.root / "tables", asset, **keys)

    def stored(self, asset: str, partition: str) -> StoredTables:
        """One asset's stored tables.

        Raises:
            StoreError: If it was not made yet.
        """
        return StoredTables(self.table_directory(asset, partition))

    def is_stored(self, asset: str, partition: str, table: str = "*") -> bool:
        """Whether an asset's partition has tables, or this table, on the disk."""
        return any(self.table_directory(asset, partition).glob(f"{table}{SUFFIX}"))

    def stored_partitions(self, asset: str, dataset: str) -> list[str]:
        """Partition keys, sorted, of a dataset's selections that an asset has tables of."""
        folders = self.table_directory(asset, dataset).glob("selection=*")
        names = (unquote(folder.name.removeprefix("selection=")) for folder in folders if any(folder.iterdir()))
        return sorted(f"{dataset}|{name}" for name in names)

    def report(self, dataset: str) -> Path:
        """Where a dataset's HTML report lies."""
        return self.path("reports", dataset) / "report.html"

    def workspace(self, stage: str, partition: str, key: str) -> Path:
        """Folder for resumable work, named by a hash of everything that decides the result."""
        return self.path("work", stage, quote(partition, safe=""), key[:32])

    def forget(self, dataset: str) -> None:
        """Delete a dataset's registration and everything made from it; never a user's own files."""
        registration = self.registration_path(dataset)
        partitions = (quote(dataset, safe=""), f"{quote(dataset + '|', safe='')}*")
        patterns = [f"tables/*/dataset={dataset}", f"toy/{dataset}", f"reports/{dataset}"]
        patterns += [f"embedded/{dataset}"]  # where older homes hold a toy dataset
        patterns += [f"work/*/{partition}" for partition in partitions]
        for folder in [folder for pattern in patterns for folder in self.root.glob(pattern)]:
            shutil.rmtree(folder)
        for partition in partitions:
            self.costs.forget(partition)
        registration.unlink()

    @property
    def locks(self) -> StageLocks:
        """Locks of stages, and of the processes that run them."""
        return StageLocks(self.path("locks"))

    @property
    def costs(self) -> StageCosts:
        """CPU seconds by stage."""
        return StageCosts(self.path("costs"))

    @contextmanager
    def stage(self, stage: str, partition: str, key: str) -> Iterator[Path]:
        """Do one stage of one partition: hold its lock, give its workspace, note its CPU seconds.

        The lock stays held until it is released, when the stage's tables are in their place.

        Args:
            stage: Asset name.
            partition: Partition key.
            key: Hash of everything that decides the result.

        Raises:
            StoreError: If another run is making the same stage of the same partition, or a folder cannot be written.
        """
        with self.stages({stage: 1.0}, partition, key):
            workspace = self.workspace(stage, partition, key)
            remove_unfinished(workspace)
            yield workspace

    @contextmanager
    def shared_work(self, work: str, partition: str, key: str) -> Iterator[Path]:
        """Do work that is no asset's and that any run may need: wait for a run that does it, give its workspace.

        Args:
            work: Its name, as a stage has one.
            partition: What it is done for.
            key: Hash of everything that decides the result.
        """
        self.locks.hold(work, partition, wait=True)
        try:
            workspace = self.workspace(work, partition, key)
            remove_unfinished(workspace)
            yield workspace
        finally:
            self.locks.release(work, partition)

    @contextmanager
    def stages(self, shares: Mapping[str, float], partition: str, key: str) -> Iterator[None]:
        """Do several stages of one partition in one piece of work; see ``stage``.

        Args:
            shares: By stage, which share of the work's CPU seconds it would have taken alone.
            partition: Partition key.
            key: Hash of everything that decides the results.

        Raises:
            StoreError: As ``stage``.
        """
        try:
            for stage in sorted(shares):
                self.path("tables", stage)  # refused now rather than after hours of work
                self.locks.hold(stage, partition)
            started = time.process_time()
            yield
            seconds = time.process_time() - started
            for stage, share in shares.items():
                self.costs.note(stage, partition, key, share * seconds)
        except BaseException:
            for stage in shares:
                self.locks.release(stage, partition)
            raise
