"""Where everything lives: the folders below ``XMAS_HOME``, and who may write in them. Nothing else knows its layout."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Self
from urllib.parse import quote

from PIL import Image

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.usage import metered
from xmas_assets.data.images import ImageRoot
from xmas_assets.files.whole import UNFINISHED, remove, remove_old, remove_unfinished
from xmas_assets.home.costs import StageCosts
from xmas_assets.home.forgotten import forgotten_path, remove_made
from xmas_assets.home.locks import StageLocks
from xmas_assets.home.registered import Registered
from xmas_assets.home.remote import RemoteHome
from xmas_assets.home.working_copy import SCHEME, folder_of

# Where small files are written without a lock; elsewhere the next holder of the lock tidies up.
_NOTES = ("", "datasets/", "benchmarks/", "ratings/*/", "dagster/", "mlflow/outbox/", "costs/*/", "reports/*/")


@dataclass(frozen=True)
class Home(Registered):
    """The platform's folder on disk; opened once per command or run.

    Attributes:
        root: Absolute path; exists and can be written.
    """

    @classmethod
    def open(cls, root: str | Path = "") -> Self:
        """Open a home, and make it if it is not there; notes that killed processes left unfinished go after a day.

        Args:
            root: Its folder, or its address in an object store, such as ``s3://bucket/prefix``, of which a working copy
                is opened; empty for the environment's ``XMAS_HOME``, or ``.xmas`` where that is not set.

        Raises:
            StoreError: If the folder cannot be made or written, or its name cannot stand in a SQLite address; or if
                the store cannot be used.
        """
        home = cls.locate(root)
        home.check_root()
        home.path()
        if address := home_address(root):
            RemoteHome.at(home.root, address)
        if home.copy:
            home.copy.open()
        for folder in _NOTES:
            # Path.glob fails where another process removes a folder meanwhile.
            found = glob(f"{folder}*{UNFINISHED}", root_dir=home.root, include_hidden=True)  # noqa: PTH207
            remove_old(home.root / name for name in found)
        return home

    @classmethod
    def locate(cls, root: str | Path = "") -> Self:
        """The home as ``open`` finds it, to look only: it is neither made nor checked."""
        address = home_address(root)
        return cls(folder_of(address) if address else Path(root or os.environ.get("XMAS_HOME") or ".xmas").absolute())

    @property
    def place(self) -> str:
        """Where the home is, for people."""
        return f"{self.copy.remote.address} (working copy in {self.root})" if self.copy else str(self.root)

    def check_root(self) -> None:
        """Refuse a folder that can be no home; ``StoreError``. It need not be there."""
        if set("?%") & set(str(self.root)):
            raise StoreError(
                f"{self.root} holds '?' or '%', which the addresses of SQLite files cannot; set another XMAS_HOME"
            )
        if any(folder.is_file() for folder in (self.root, *self.root.parents)):
            raise StoreError(f"{self.root} cannot be made (Not a directory); set XMAS_HOME to a folder you can write")

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

    def open_image(self, dataset: str) -> Callable[..., Image.Image]:
        """Opener of the dataset's images, confined to its root; given a hash too, it refuses an image that changed."""
        return ImageRoot(self.registration(dataset).images, self.image_store()).open

    def image_store(self) -> Path:
        """Where images that came as bytes inside Parquet files are kept, by content."""
        if self.copy:
            self.copy.fetch_images()
        return self.path("images")

    def hub(self) -> Path:
        """Where datasets of the Hugging Face hub are downloaded to; it may not be there yet."""
        return self.root / "hub"

    def features(self) -> Path:
        """Where what frozen vision towers make of images is kept, for all datasets."""
        return self.path("features")

    def tables(self) -> Path:
        """Root of the Parquet tables that assets write; it may not be there yet."""
        if self.copy:
            self.copy.remote.fetch("tables")
        return self.root / "tables"

    def report(self, dataset: str) -> Path:
        """Where a dataset's HTML report lies."""
        return self.path("reports", dataset) / "report.html"

    def explorer(self, dataset: str) -> Path:
        """Where the page lies on which a dataset's rows can be looked at."""
        return self.path("reports", dataset) / "explorer.html"

    def calibration(self, dataset: str) -> Path:
        """Where it is kept what stages take on this machine, as measured on a dataset; it may not be there."""
        return self.root / "calibrations" / f"{dataset}.yaml"

    def workspace(self, stage: str, partition: str, key: str) -> Path:
        """Folder for resumable work, named by a hash of everything that decides the result."""
        folder = self.path(*self.works(stage, partition).relative_to(self.root).parts, key[:32])
        if self.copy:
            self.copy.bring_work(folder)
        return folder

    def works(self, stage: str, partition: str) -> Path:
        """Folder of all the workspaces of a stage and partition; it may not be there."""
        return self.root / "work" / stage / quote(partition, safe="")

    def check_idle(self, dataset: str, *, then: str) -> None:
        """Refuse a dataset that a run is at work on, with the command to give when it has ended; ``StoreError``."""
        if self.locks.is_in_use(dataset):
            at_work = f"a run is at work on dataset {dataset!r}"
            raise StoreError(f"{at_work}; wait for it to end, or stop it, then run: {then}")
        self.check_idle_elsewhere(dataset, then=then)

    def check_idle_elsewhere(self, dataset: str, *stages: str, then: str) -> None:
        """Refuse as ``check_idle`` what other machines work on: the dataset, or some stages of any dataset."""
        if self.locks.is_in_use_elsewhere(dataset, *stages):
            also = f", or reads the records of any ({', '.join(stages)})" if stages else ""
            at_work = f"a run of another machine is at work on dataset {dataset!r}{also}"
            raise StoreError(f"{at_work}; wait for it to end, or stop it, then run: {then}")

    @contextmanager
    def using(self, dataset: str) -> Iterator[None]:
        """Keep a dataset from being removed for as long as this takes, and know which rows others have forgotten."""
        with self.locks.using(dataset):
            if self.copy:
                self.copy.share_notes()
            yield

    def forget(self, dataset: str) -> list[Path]:
        """Delete a dataset's registration and everything made from it; never a user's own files.

        Returns:
            Where links led that stood for folders of it: what is there stays.

        Raises:
            StoreError: If a run is at work on it.
        """
        registration = self.registration_path(dataset)
        self.check_idle(dataset, then=f"xmas dataset remove {dataset}")
        led_to = remove_made(self.root, dataset, self.costs)
        for folder in (self.root / "toy" / dataset, self.root / "embedded" / dataset):  # the latter in older homes
            led_to += [folder.resolve()] if folder.is_symlink() else []
            remove(folder)
        self.calibration(dataset).unlink(missing_ok=True)
        forgotten_path(self.root, dataset).unlink(missing_ok=True)
        registration.unlink()
        if self.copy:
            self.copy.forget(dataset, f"toy/{dataset}")
        return led_to

    @property
    def locks(self) -> StageLocks:
        """Locks of stages, and of the processes that run them."""
        return StageLocks(self.path("locks"), self.copy and self.copy.remote.index.store)

    @property
    def costs(self) -> StageCosts:
        """What stages took of the machine."""
        return StageCosts(self.path("costs"))

    @contextmanager
    def stage(self, stage: str, partition: str, key: str) -> Iterator[Path]:
        """Do one stage of one partition: wait for a run that does it, hold its lock, give its workspace, note its use.

        The lock stays held until it is released, when the stage's tables are in their place.

        Args:
            stage: Asset name.
            partition: Partition key.
            key: Hash of everything that decides the result.

        Raises:
            StoreError: If a folder cannot be written.
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
        self.locks.hold(work, partition)
        try:
            with self.publishing():
                workspace = self.workspace(work, partition, key)
                remove_unfinished(workspace)
                yield workspace
        finally:
            self.locks.release(work, partition)

    @contextmanager
    def part_of_work(self, work: str, partition: str, key: str) -> Iterator[Path]:
        """Do as ``shared_work`` does, but next to other processes that do other parts of it."""
        with self.locks.part(work, partition), self.publishing():
            yield self.workspace(work, partition, key)

    def publishing(self) -> AbstractContextManager[None]:
        """While work is done: publish it in the object store, if the home is in one."""
        return self.copy.publishing() if self.copy else nullcontext()

    @contextmanager
    def stages(self, shares: Mapping[str, float], partition: str, key: str) -> Iterator[None]:
        """Do several stages of one partition in one piece of work; see ``stage``.

        Args:
            shares: By stage, which share of the work's time it would have taken alone.
            partition: Partition key.
            key: Hash of everything that decides the results.

        Raises:
            StoreError: As ``stage``.
        """
        try:
            for stage in sorted(shares):
                self.path("tables", stage)  # refused now rather than after hours of work
                self.locks.hold(stage, partition)
            with self.publishing(), metered() as meter:
                yield
            usage = meter.total()
            for stage, share in shares.items():
                self.costs.note(stage, partition, key, usage.share(share))
            if self.copy:
                self.copy.publish_costs(partition, shares)
        except BaseException:
            for stage in shares:
                self.locks.release(stage, partition)
            raise


def home_address(root: str | Path = "") -> str:
    """The address of the object store that a home is in, given what ``Home.open`` is given; "" of one on this disk."""
    given = str(root or os.environ.get("XMAS_HOME") or "")
    return given if given.startswith(SCHEME) else ""
