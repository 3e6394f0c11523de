"""Run work in shards: those that are not there yet are made by an engine, and all are given back in order."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from xmas_assets.files.usage_notes import count_usage_of
from xmas_assets.scale.engines import SERIAL, Advance, Engine, MadeShard, have_made
from xmas_assets.scale.shards import ItemCounter, Shard, join_shards, open_shards, writing_shard

WriteShard = Callable[[Shard, Path, Advance], object]
"""Writes a shard's file at a path that is free, and reports the items that each step has finished."""


def run_shards(
    directory: Path,
    shards: list[Shard],
    write: WriteShard,
    *,
    key: str,
    counter: ItemCounter | None = None,
    engine: Engine = SERIAL,
    ready: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> list[Path]:
    """Make each shard's file that is not there yet, and return all of them in order.

    A file appears under its final name only when it is complete and on disk (written aside, synced, renamed), so a
    run that was killed anywhere and is started again ends with the same files as an undisturbed one, provided that
    ``write`` is deterministic.

    Args:
        directory: Where the files go; made if missing. Shards in it that were made under another key, and what a
            killed run left unfinished, are removed first; files that are not ours stay.
        shards: The work, as from ``shards_of_groups``.
        write: Makes one. For engines that work elsewhere it can be pickled, and is small.
        key: Everything that the files' content depends on (inputs, settings, versions). The shards' bounds are
            added here.
        counter: Counts the items; those of shards kept from an earlier run too.
        engine: Who makes the shards.
        ready: Gives what each process that makes shards enters first; can be pickled.

    Returns:
        The files' paths, in the order of ``shards``.

    Raises:
        XmasError: As the engine.
    """
    counter = counter or ItemCounter(sum(shard.n_items for shard in shards))
    paths = ready_shards(directory, shards, key=key, engine=engine)
    count_usage_of([directory])
    lacking = [shard for shard, path in zip(shards, paths, strict=True) if not path.exists()]
    counter.keep_all(shards, lacking)
    have_made(_Writing(directory, write, ready), lacking, engine=engine, counter=counter)
    return paths


def ready_shards(directory: Path, shards: list[Shard], *, key: str, engine: Engine) -> list[Path]:
    """The places of shards, cleared of others' where the engine may; arguments and result as of ``open_shards``.

    Raises:
        StoreError: As ``join_shards``.
    """
    return (open_shards if engine.is_coordinator else join_shards)(directory, shards, key=key)


@dataclass(frozen=True)
class _Writing:
    """A function that writes a file, as work for an engine."""

    directory: Path
    write: WriteShard
    ready: Callable[[], AbstractContextManager[object]]

    def make(self, shard: Shard, advance: Advance) -> MadeShard:
        path = self.directory / shard.file_name
        with writing_shard(path) as unfinished:
            self.write(shard, unfinished, advance)
        return MadeShard((path,))
