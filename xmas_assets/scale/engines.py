"""Who makes shards: this process one after the other, or others; all make the same files.

An engine only places work and notices deaths. What is done is what lies on disk: a shard's file appears by rename,
under one name, so that two who make the same shard do no harm, and whoever comes later makes what is not there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.usage import Usage, count_earlier, metered
from xmas_assets.files.usage_notes import add_usage
from xmas_assets.scale.shards import ItemCounter, Shard, sum_of_shard

Made = TypeVar("Made")
Advance = Callable[[float], None]


class MadeShard(NamedTuple):
    """What is told of a shard that is on disk.

    Attributes:
        paths: Its files; those that were there before are not among them.
        notices: What a person should know about how it was made.
    """

    paths: tuple[Path, ...]
    notices: tuple[str, ...] = ()


class ShardWork(Protocol):
    """Shards to be made. It is pickled on its way to another process, so what is large goes as an address."""

    def ready(self) -> AbstractContextManager[object]:
        """Entered once by each process that makes shards, around all of them."""
        ...

    def make(self, shard: Shard, advance: Advance) -> MadeShard:
        """Make those files of a shard that are not there yet, whole; reports the items that each step has finished."""
        ...


@dataclass(frozen=True)
class ShardReport:
    """What comes back of a shard: no value, only what its files' content is.

    Attributes:
        shard: Which one.
        made: Its files.
        digests: Hex SHA-256 of each file, in their order.
        usage: What making it used of the machine that made it.
    """

    shard: Shard
    made: MadeShard
    digests: tuple[str, ...]
    usage: Usage


class Engine(Protocol):
    """Has shards made.

    Attributes:
        is_elsewhere: Whether other processes make them, which read their inputs anew.
        is_coordinator: Whether it makes directories ready for shards; one at a time may.
    """

    is_elsewhere: bool
    is_coordinator: bool

    def make(self, work: ShardWork, shards: Sequence[Shard], advance: Advance) -> Iterator[ShardReport]:
        """Have shards made, and report each when it is on disk, in any order.

        Raises:
            XmasError: Of the work; or a StoreError if those who make shards die again and again.
        """
        ...


class SerialEngine:
    """Makes shards in this process, one after the other."""

    is_elsewhere = False
    is_coordinator = True

    def make(self, work: ShardWork, shards: Sequence[Shard], advance: Advance) -> Iterator[ShardReport]:
        """Make all of them, in their order."""
        if shards:
            with work.ready():
                yield from (make_shard(work, shard, advance) for shard in shards)


SERIAL = SerialEngine()


class PartDoneError(Exception):
    """A part's shards are made, and others are still to be made by the other parts: no mistake, but no result yet."""


@dataclass(frozen=True)
class PartEngine:
    """Makes every n-th shard in this process; other processes make the others, as tasks of a Slurm array do.

    Attributes:
        number: Which part, from 0.
        n_parts: How many there are.
    """

    number: int
    n_parts: int
    is_elsewhere = False
    is_coordinator = False

    def make(self, work: ShardWork, shards: Sequence[Shard], advance: Advance) -> Iterator[ShardReport]:
        """Make those whose index leaves the part's number when divided by the number of parts.

        Raises:
            PartDoneError: Where shards of other parts are left.
        """
        own = [shard for shard in shards if shard.index % self.n_parts == self.number]
        yield from SERIAL.make(work, own, advance)
        n_left = len(shards) - len(own)
        if n_left:
            raise PartDoneError(
                f"part {self.number}/{self.n_parts} is done: {len(own)} shards made now, {n_left} of other parts were "
                "not there when it began"
            )


def make_shard(work: ShardWork, shard: Shard, advance: Advance) -> ShardReport:
    """Make one shard here, and report it."""
    with metered() as meter:
        made = work.make(shard, advance)
        digests = tuple(sum_of_shard(path) for path in made.paths)
    return ShardReport(shard, made, digests, meter.used())


def have_made(work: ShardWork, shards: Sequence[Shard], *, engine: Engine, counter: ItemCounter) -> tuple[str, ...]:
    """Have an engine make shards, and note next to them what they used.

    Args:
        work: Makes them.
        shards: Those that lack a file.
        engine: Who makes them.
        counter: Counts their items.

    Returns:
        The notices, each once, by the order of shards.

    Raises:
        StoreError: If a file that was reported is not there as it was reported.
        XmasError: As the engine.
    """
    notices: dict[int, tuple[str, ...]] = {}
    for report in engine.make(work, shards, counter.advance):
        for path, digest in zip(report.made.paths, report.digests, strict=True):
            if sum_of_shard(path) != digest:
                raise StoreError(
                    f"{path} is not the file that was reported: another run writes there, or the disk is not shared; "
                    "let all see the same XMAS_HOME, and run again"
                )
        folders = {path.parent for path in report.made.paths}
        add_usage(folders, report.usage)
        if engine.is_elsewhere:
            count_earlier(replace(report.usage, wall_seconds=0.0))  # this process's own clock has run meanwhile
        notices[report.shard.index] = report.made.notices
    return tuple(dict.fromkeys(notice for index in sorted(notices) for notice in notices[index]))


class Remade(Generic[Made]):
    """A thing that each process makes for itself when it first needs it; pickled as the way it is made."""

    def __init__(self, make: Callable[[], Made]) -> None:
        """Take how it is made: a function that can be pickled, such as a ``partial`` of a module's own."""
        self._make = make
        self._made: list[Made] = []

    def __call__(self) -> Made:
        """The thing."""
        if not self._made:
            self._made.append(self._make())
        return self._made[0]

    def __reduce__(self) -> tuple[type["Remade[Made]"], tuple[Callable[[], Made]]]:
        return Remade, (self._make,)
