"""Locks of the stages that this machine's processes are making, one file per stage and partition."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from filelock import FileLock, Timeout

from xmas_assets.files.objects import ObjectStore
from xmas_assets.home.leases import Lease, living

_LOG = logging.getLogger(__name__)
_USING, _PART = "using", "part"
# Those of this process; one stays held when a stage fails while it is described.
_HELD: dict[Path, FileLock] = {}
_LEASES: dict[Path, Lease] = {}
_OWN: dict[Path, Lease] = {}


@dataclass(frozen=True)
class StageLocks:
    """The locks in a folder. They are the operating system's: one left by a killed process or a reboot is free.

    Attributes:
        folder: Where they are.
        leases: The object store that the home is in, where other machines hold them too.
    """

    folder: Path
    leases: ObjectStore | None = None

    def hold(self, stage: str, partition: str) -> None:
        """Keep other runs from making this stage of this partition, until ``release``; waits for one that does it now.

        Several stages are to be held in the order of their names, so that no two runs wait for each other.

        Args:
            stage: Asset name.
            partition: Partition key.
        """
        self.hold_alone(stage, partition)
        for path in sorted(self.folder.glob(f"{_PART}__{self._path(stage, partition).stem}__*.lock")):
            part = FileLock(path)
            _acquire(part, f"a part of {stage} of {partition} is being made")
            path.unlink(missing_ok=True)
            part.release()

    def hold_alone(self, stage: str, partition: str) -> None:
        """Do as ``hold`` does, but do not wait for parts that are being made."""
        path = self._path(stage, partition)
        lock = _HELD.setdefault(path, FileLock(path, thread_local=False))
        _acquire(lock, f"{stage} of {partition} is being made by another run")
        if self.leases is not None and path not in _LEASES:
            _LEASES[path] = Lease(self.leases, path.stem)
            try:
                _LEASES[path].acquire(f"{stage} of {partition} is being made on another machine")
            except BaseException:
                self.release(stage, partition)
                raise

    def check(self, stage: str, partition: str) -> None:
        """Refuse to store what another machine may be making by now; ``StoreError``."""
        for path, lease in [*_LEASES.items(), *_OWN.items()]:
            if path == self._path(stage, partition) or path in _OWN:
                lease.check()

    def release(self, stage: str, partition: str) -> None:
        """Let other runs make this stage of this partition."""
        lease = _LEASES.pop(self._path(stage, partition), None)
        if lease is not None:
            lease.release()
        lock = _HELD.pop(self._path(stage, partition), None)
        if lock is not None:
            lock.release(force=True)

    @contextmanager
    def part(self, stage: str, partition: str) -> Iterator[None]:
        """Make some shards of a stage next to other parts, and while no run makes it as a whole."""
        with ExitStack() as held:
            self.hold_alone(stage, partition)
            try:
                held.enter_context(self._own(f"{_PART}__{self._path(stage, partition).stem}"))
            finally:
                self.release(stage, partition)
            yield

    @contextmanager
    def using(self, dataset: str) -> Iterator[None]:
        """Keep a dataset from being removed, by this or another process, for as long as this takes; shared by all."""
        for left in self.folder.glob(f"{_USING}__*.lock"):
            remove_if_free(left)  # of a run that was killed
        with self._own(f"{_USING}__{dataset}"):
            yield

    @contextmanager
    def _own(self, name: str) -> Iterator[None]:
        """Hold a lock that nobody else can have, so that others see that this process is at it."""
        lock = FileLock(self.folder / f"{name}__{uuid4().hex}.lock", thread_local=False)
        lock.acquire()
        path = Path(lock.lock_file)
        try:
            if self.leases is not None:
                _OWN[path] = Lease(self.leases, path.stem)
                _OWN[path].acquire(f"{path.stem} is held")
            yield
        finally:
            if path in _OWN:
                _OWN.pop(path).end()
            lock.release()
            path.unlink(missing_ok=True)

    def is_in_use(self, dataset: str) -> bool:
        """Whether a run of this machine is at work on a dataset: between two stages, or on one of it or a selection."""
        patterns = _patterns(dataset)
        return any(not is_free(path) for pattern in patterns for path in self.folder.glob(f"{pattern}.lock"))

    def is_in_use_elsewhere(self, dataset: str, *stages: str) -> bool:
        """Whether one of another machine is, or makes one of some stages of any dataset; of silent ones the leases go.

        Raises:
            StoreError: If the store of the leases cannot be used.
        """
        if self.leases is None:
            return False
        own = {path.stem for path in (*_LEASES, *_OWN)}
        patterns = [*_patterns(dataset), *(f"{stage}__*" for stage in stages)]

        def is_meant(name: str) -> bool:
            return name not in own and any(fnmatchcase(name, pattern) for pattern in patterns)

        return living(self.leases, is_meant) is not None

    def _path(self, stage: str, partition: str) -> Path:
        return self.folder / f"{stage}__{quote(partition, safe='')}.lock"


def _patterns(dataset: str) -> list[str]:
    """Of the names of locks that are held by who is at work on a dataset."""
    name, selection = quote(dataset, safe=""), quote(f"{dataset}|", safe="")
    return [f"{_USING}__{dataset}__*", f"*__{name}", f"*__{selection}*", f"{_PART}__*__{name}__*"]


def _acquire(lock: FileLock, else_said: str) -> None:
    """Take a lock, and say why if that has to wait."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _LOG.warning("%s; waiting for it", else_said)
        lock.acquire()


def is_free(path: Path) -> bool:
    """Whether no living process holds the lock in a file."""
    with _if_free(path) as is_held:
        return is_held


def remove_if_free(path: Path) -> None:
    """Remove a lock's file, unless a living process holds the lock."""
    with _if_free(path) as is_held:
        if is_held:
            path.unlink(missing_ok=True)


@contextmanager
def _if_free(path: Path) -> Iterator[bool]:
    """Hold the lock in a file, if nobody does; gives whether it is held."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
