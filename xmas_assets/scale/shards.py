"""Run long work in shards, each a file that is committed whole or not at all; a killed run continues where it was.

What is computed and in which format is the caller's; this file knows files and order only. Who makes them is in
``engines``.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.files.usage_notes import forget_usage
from xmas_assets.files.whole import file_sha256, remove_unfinished, replacing

_LOG = logging.getLogger(__name__)
_KEY = "shards.key"
_SHARD, _SUM = "shard-", "sha256-"


@dataclass(frozen=True)
class Shard:
    """Items ``start`` to ``stop`` (half open) of the work; ``index`` counts shards from 0."""

    index: int
    start: int
    stop: int

    @property
    def n_items(self) -> int:
        """How many items it has."""
        return self.stop - self.start

    @property
    def file_name(self) -> str:
        """Name of the shard's file, sortable."""
        return f"{_SHARD}{self.index:08d}"


class ItemCounter:
    """Counts finished items and reports each step.

    Args:
        total: Items in all.
        progress: Called after each step.
    """

    def __init__(self, total: float, progress: ProgressCallback | None = None) -> None:
        self._total = total
        self._progress = progress
        self._done = self._kept = 0.0

    def keep(self, n_items: float) -> None:
        """Count items that an earlier run finished."""
        self._kept += n_items
        self.advance(n_items)

    def keep_all(self, shards: Iterable[Shard], lacking: Iterable[Shard]) -> None:
        """Count the items of shards that an earlier run made: all but those that are lacking."""
        n_kept = sum(shard.n_items for shard in shards) - sum(shard.n_items for shard in lacking)
        if n_kept:
            self.keep(n_kept)

    def advance(self, n_items: float) -> None:
        """Count items that are finished now; a fraction of an item is allowed."""
        self._done += n_items
        if self._progress is not None:
            self._progress(Progress(self._done, self._total, self._kept))


def shards_of_groups(group_sizes: Iterable[int], shard_size: int) -> list[Shard]:
    """Cut consecutive groups of items into shards of about ``shard_size`` without cutting a group, if it can be.

    Args:
        group_sizes: Items per group, in order; items that share something expensive form a group.
        shard_size: Items per shard. A group that is larger is cut into pieces of this size.

    Returns:
        Shards that cover all items in order, each of 1 to ``shard_size`` items.

    Example:
        >>> [(shard.start, shard.stop) for shard in shards_of_groups([3, 2, 2, 9], 4)]
        [(0, 3), (3, 7), (7, 11), (11, 15), (15, 16)]
    """
    bounds = [0]
    end = 0
    for size in group_sizes:
        if end + size - bounds[-1] > shard_size and end > bounds[-1]:
            bounds.append(end)
        end += size
        while end - bounds[-1] > shard_size:
            bounds.append(bounds[-1] + shard_size)
    if end > bounds[-1]:
        bounds.append(end)
    return [Shard(index, start, stop) for index, (start, stop) in enumerate(zip(bounds, bounds[1:], strict=False))]


def open_shards(directory: Path, shards: list[Shard], *, key: str) -> list[Path]:
    """Make a directory ready for shards: of what is in it, only finished ones of the same work stay.

    A shard that is not as it was written is removed, with a warning. One process at a time may do this, before others
    make shards there.

    Args:
        directory: Made if missing. Shards in it that were made under another key, and what a killed run left
            unfinished, are removed; files that are not ours stay.
        shards: The work, as from ``shards_of_groups``.
        key: Everything that the files' content depends on (inputs, settings, versions). The shards' bounds are added
            here.

    Returns:
        The files' paths, in the order of ``shards``; those that exist are finished.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _clear_others(directory, key_of(key, shards))
    return _sound(directory, shards)


def join_shards(directory: Path, shards: list[Shard], *, key: str) -> list[Path]:
    """Find the places of shards that several processes make at once: nothing of another's is removed.

    Args:
        directory: Made if missing.
        shards: As of ``open_shards``.
        key: As of ``open_shards``.

    Returns:
        The files' paths, in the order of ``shards``; those that exist are finished.

    Raises:
        StoreError: If shards of other inputs lie there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    key_file, whole = directory / _KEY, key_of(key, shards)
    if not key_file.exists() and not any(directory.glob(f"{_SHARD}*")):
        # All parts write the same, so it does not matter who is last.
        with replacing(key_file) as unfinished:
            unfinished.write_text(whole, encoding="utf-8")
    if not key_file.exists() or key_file.read_text(encoding="utf-8") != whole:
        raise StoreError(
            f"{directory} holds shards of other inputs or of another version; let 'xmas run' make this stage, or "
            "remove that folder, and start the parts again"
        )
    return _sound(directory, shards)


def key_of(key: str, shards: list[Shard]) -> str:
    """Hash of all that shards depend on, and of their bounds."""
    return hashlib.sha256(repr((key, shards)).encode()).hexdigest()


def lies_at(directory: Path, key: str) -> bool:
    """Whether a folder is one for shards of a key that ``key_of`` gave, made or to be made."""
    key_file = directory / _KEY
    return key_file.is_file() and key_file.read_text(encoding="utf-8", errors="replace") == key


def _sound(directory: Path, shards: list[Shard]) -> list[Path]:
    """The shards' paths; damaged files are removed."""
    paths = [directory / shard.file_name for shard in shards]
    for path in paths:
        if path.exists() and not is_as_written(path):
            _LOG.warning("%s is damaged; it is made again", path)
            path.unlink(missing_ok=True)
    return paths


@contextmanager
def writing_shard(path: Path) -> Iterator[Path]:
    """Do as ``replacing`` does, and note the file's hash first, by which damage is found when it is kept."""
    with replacing(path) as unfinished:
        yield unfinished
        with replacing(_sum_of(path)) as note:
            note.write_text(file_sha256(unfinished), encoding="utf-8")


def sum_of_shard(path: Path) -> str:
    """Hex SHA-256 that was noted when a shard was written; "" of one that is not there."""
    note = _sum_of(path)
    return note.read_text(encoding="utf-8", errors="replace") if path.exists() and note.exists() else ""


def is_as_written(path: Path) -> bool:
    """Whether a shard holds what was written; of one that an earlier version left, this is not known, and assumed."""
    note = _sum_of(path)
    return not note.exists() or note.read_text(encoding="utf-8", errors="replace") == file_sha256(path)


def _sum_of(path: Path) -> Path:
    return path.with_name(path.name.replace(_SHARD, _SUM))


def _clear_others(directory: Path, key: str) -> None:
    """Remove unfinished files, and all shards if they were made under another key."""
    remove_unfinished(directory)
    key_file = directory / _KEY
    if key_file.exists() and key_file.read_text(encoding="utf-8") == key:
        return
    # The key goes first: were we killed between the two, the next run would not take the old shards for its own.
    key_file.unlink(missing_ok=True)
    for path in (*directory.glob(f"{_SHARD}*"), *directory.glob(f"{_SUM}*")):
        path.unlink()
    forget_usage(directory)
    with replacing(key_file) as unfinished:
        unfinished.write_text(key, encoding="utf-8")
