"""Where everything lives: ``XMAS_HOME``, its folders, the registered datasets and their settings, costs and locks."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
from filelock import FileLock, Timeout
from PIL import Image
from pydantic import Field

from xmas_assets.contracts.errors import DatasetError, DeviceError, StoreError
from xmas_assets.contracts.settings import Settings
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.profiles import load_settings
from xmas_assets.data.registration import Registration, load_registration
from xmas_assets.data.samples import SAMPLE_COLUMNS, Samples
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.scale.shards import write_whole

# Locks of the stages that this process is making; one is held on when a stage fails while it is described.
_HELD: dict[Path, FileLock] = {}


class Home(dg.ConfigurableResource):
    """The platform's folder on disk."""

    root: str = Field(
        default="", description="Folder for all data; empty means the environment's XMAS_HOME, else '.xmas'."
    )

    def path(self, *parts: str) -> Path:
        """Absolute path of a folder below the root; it is made.

        Raises:
            StoreError: If the folder cannot be made or written, or its name cannot stand in a SQLite address.
        """
        root = Path(self.root or os.environ.get("XMAS_HOME") or ".xmas").absolute()
        if set("?%") & set(str(root)):
            raise StoreError(
                f"{root} holds '?' or '%', which the addresses of SQLite files cannot; set another XMAS_HOME"
            )
        folder = root.joinpath(*parts)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be made ({error.strerror}); set XMAS_HOME to a folder you can write"
            ) from error
        if not os.access(folder, os.W_OK):
            raise StoreError(f"{folder} is read-only; set XMAS_HOME to a folder you can write")
        return folder

    def registration(self, dataset: str) -> Registration:
        """The dataset's registration, from ``datasets/<name>.yaml``."""
        return load_registration(self.path(), dataset)

    def settings(self, dataset: str) -> Settings:
        """The dataset's settings: its profile with its overrides."""
        return self.check_settings(self.registration(dataset))

    def check_settings(self, registration: Registration) -> Settings:
        """The settings that a registration asks for.

        Raises:
            SettingsError: If the profile or an override is not allowed.
        """
        return load_settings(registration.profile, registration.overrides)

    def open_image(self, dataset: str) -> Callable[..., Image.Image]:
        """Opener of the dataset's images, confined to its root; given a hash too, it refuses an image that changed."""
        return ImageRoot(self.registration(dataset).images, self.image_store()).open

    def samples(self, raw_dataset: StoredTables) -> Samples:
        """The training pool, in row order."""
        return Samples(raw_dataset["samples"].arrow(SAMPLE_COLUMNS))

    def pictured_samples(self, raw_dataset: StoredTables) -> Samples:
        """The training pool, in row order, for work that follows attention to images.

        Raises:
            DatasetError: If no row has an image; said before anything is trained.
        """
        if not raw_dataset["samples"].column("n_images").any():
            raise DatasetError(
                f"none of {raw_dataset['samples'].n_rows} rows has an image, so there is no attention to images to "
                "follow; use a method that needs no proxy, such as random"
            )
        return self.samples(raw_dataset)

    def questions(self, raw_dataset: StoredTables) -> Samples:
        """The test questions.

        Raises:
            DatasetError: If the dataset was registered without a test set.
        """
        if "test" not in raw_dataset or raw_dataset["test"].n_rows == 0:
            raise DatasetError(
                "the dataset has no test records, so nothing can be scored; add it again with --test FILE"
            )
        return Samples(raw_dataset["test"].arrow(SAMPLE_COLUMNS))

    def image_store(self) -> Path:
        """Where images that came as bytes inside Parquet files are kept, by content."""
        return self.path("images")

    def tables(self) -> Path:
        """Root of the Parquet tables that assets write."""
        return self.path("tables")

    def workspace(self, stage: str, partition: str, key: str) -> Path:
        """Folder for resumable work, named by a hash of everything that decides the result."""
        return self.path("work", stage, quote(partition, safe=""), key[:32])

    @contextmanager
    def stage(self, stage: str, partition: str, key: str) -> Iterator[Path]:
        """Do one stage of one partition: hold its lock, give its workspace, note its CPU seconds.

        The lock stays held until ``release``, when the stage's tables are in their place. It is the operating
        system's, so one left behind by a killed process or a reboot is free.

        Args:
            stage: Asset name.
            partition: Partition key.
            key: Hash of everything that decides the result.

        Raises:
            StoreError: If another run is making the same stage of the same partition, or a folder cannot be written.
        """
        with self.stages({stage: 1.0}, partition, key):
            yield self.workspace(stage, partition, key)

    @contextmanager
    def stages(self, shares: Mapping[str, float], partition: str, key: str) -> Iterator[None]:
        """Do several stages of one partition in one piece of work; see ``stage``.

        Args:
            shares: By stage, which share of the work's CPU seconds it would have taken alone.
            partition: Partition key.
            key: Hash of everything that decides the results.

        Raises:
            StoreError: As ``stage``.
            RetryRequested: If a device failed, so that Dagster tries once more: in runs of the UI in a new process,
                which a device that was lost needs.
        """
        try:
            for stage in sorted(shares):
                self.path("tables", stage)  # refused now rather than after hours of work
                self.hold(stage, partition)
            started = time.process_time()
            yield
            seconds = time.process_time() - started
            for stage, share in shares.items():
                self.note_cost(stage, partition, key, share * seconds)
        except BaseException as error:
            for stage in shares:
                self.release(stage, partition)
            if isinstance(error, DeviceError):
                raise dg.RetryRequested(max_retries=1) from error
            raise

    def hold(self, stage: str, partition: str, *, wait: bool = False) -> None:
        """Keep other runs from making this stage of this partition, until ``release``.

        Args:
            stage: Asset name.
            partition: Partition key.
            wait: Until the run that holds it is done, instead of refusing.

        Raises:
            StoreError: If another run holds it.
        """
        path = self._lock_path(stage, partition)
        lock = _HELD.setdefault(path, FileLock(path, thread_local=False))
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            del _HELD[path]
            raise StoreError(
                f"{stage} of {partition} is being made by another run; wait for it to end, or cancel it in the UI"
            ) from None

    def release(self, stage: str, partition: str) -> None:
        """Let other runs make this stage of this partition."""
        lock = _HELD.pop(self._lock_path(stage, partition), None)
        if lock is not None:
            lock.release(force=True)

    def _lock_path(self, stage: str, partition: str) -> Path:
        return self.path("locks") / f"{stage}__{quote(partition, safe='')}.lock"

    def cpu_seconds(self, partition: str, *stages: str) -> float | None:
        """CPU seconds that the stages' results took, all threads; None if none of them was ever made.

        Stages that one piece of work made together count once, as the longest of them.
        """
        by_work: dict[str, float] = {}
        for path in (self._cost_path(stage, partition) for stage in stages):
            if path.exists():
                cost = json.loads(path.read_text())
                by_work[cost["key"]] = max(cost["cpu_seconds"], by_work.get(cost["key"], 0.0))
        return sum(by_work.values()) if by_work else None

    def note_cost(self, stage: str, partition: str, key: str, cpu_seconds: float) -> None:
        """Note what a stage's result took; the same result found again does not look cheaper."""
        path = self._cost_path(stage, partition)
        before: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"key": ""}
        if before["key"] == key:
            cpu_seconds = max(cpu_seconds, before["cpu_seconds"])
        write_whole(path, lambda staged: staged.write_text(json.dumps({"key": key, "cpu_seconds": cpu_seconds})))

    def _cost_path(self, stage: str, partition: str) -> Path:
        return self.path("costs", stage) / f"{quote(partition, safe='')}.json"
