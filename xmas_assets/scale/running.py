"""Run work in shards: those that are not there yet are made by an engine, and all are given back in order."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from xmas_assets.files.usage_notes import count_usage_of
from xmas_assets.scale.engines import SERIAL, Advance, Engine, MadeShard, have_made
from xmas_assets.scale.shards import ItemCounter, Shard, writing_shard
from xmas_assets.scale.stretches import Piece, folders_of, open_pieces

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
    return run_pieces([Piece(directory, shards, key)], write, counter=counter, engine=engine, ready=ready)


def run_pieces(
    pieces: Sequence[Piece],
    write: WriteShard,
    *,
    counter: ItemCounter | None = None,
    engine: Engine = SERIAL,
    ready: Callable[[], AbstractContextManager[object]] = nullcontext,
    name: str = "",
) -> list[Path]:
    """Do as ``run_shards`` does for shards in several folders.

    Args:
        pieces: In the order of their items; ``write`` gets shards counted over all of them.
        write: As of ``run_shards``.
        counter: As of ``run_shards``.
        engine: As of ``run_shards``.
        ready: As of ``run_shards``.
        name: As of ``open_pieces``.
    """
    files = open_pieces(pieces, engine=engine, name=name)
    counter = counter or ItemCounter(sum(shard.n_items for shard in files))
    count_usage_of(folders_of(files))
    lacking = [shard for shard, path in files.items() if not path.exists()]
    counter.keep_all(files, lacking)
    have_made(_Writing(files, write, ready), lacking, engine=engine, counter=counter)
    return list(files.values())


@dataclass(frozen=True)
class _Writing:
    """A function that writes a file, as work for an engine."""

    files: Mapping[Shard, Path]
    write: WriteShard
    ready: Callable[[], AbstractContextManager[object]]

    def make(self, shard: Shard, advance: Advance) -> MadeShard:
        path = self.files[shard]
        with writing_shard(path) as unfinished:
            self.write(shard, unfinished, advance)
        return MadeShard((path,))
