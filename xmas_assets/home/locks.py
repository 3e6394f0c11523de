"""Locks of the stages that this machine's processes are making, one file per stage and partition."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from xmas_assets.contracts.errors import StoreError

# Those of this process; one stays held when a stage fails while it is described.
_HELD: dict[Path, FileLock] = {}


@dataclass(frozen=True)
class StageLocks:
    """The locks in a folder. They are the operating system's: one left by a killed process or a reboot is free."""

    folder: Path

    def hold(self, stage: str, partition: str, *, wait: bool = False) -> None:
        """Keep other runs from making this stage of this partition, until ``release``.

        Args:
            stage: Asset name.
            partition: Partition key.
            wait: Until the run that holds it is done, instead of refusing.

        Raises:
            StoreError: If another run holds it.
        """
        path = self._path(stage, partition)
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
        lock = _HELD.pop(self._path(stage, partition), None)
        if lock is not None:
            lock.release(force=True)

    def _path(self, stage: str, partition: str) -> Path:
        return self.folder / f"{stage}__{quote(partition, safe='')}.lock"
