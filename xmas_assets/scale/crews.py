"""Workers in other processes, each with one shard at a time: handed out, waited for, and replaced when they die.

How a worker is started, told and killed is its crew's (``processes``, ``ray_engine``); when, is written here once.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from xmas_assets.contracts.errors import StoreError, XmasError
from xmas_assets.contracts.messages import first_line
from xmas_assets.scale.engines import Advance, ShardReport, ShardWork, make_shard
from xmas_assets.scale.shards import Shard

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0  # between two looks at the deadlines


class Failed(NamedTuple):
    """Work that failed in a way that it would fail again: an error of ours, or one that is a bug."""

    error: BaseException


class Died(NamedTuple):
    """A worker that is no more, with what is known of why."""

    reason: str


Outcome = ShardReport | Failed | Died


class Worker(Protocol):
    """One process that makes shards."""

    def send(self, shard: Shard) -> None:
        """Tell it to make a shard; it is at no other."""
        ...

    def kill(self) -> None:
        """End it at once, whatever it does; no error if it is dead."""
        ...


class Crew(Protocol):
    """Starts workers for some work, and hears of them."""

    def start(self) -> Worker:
        """Start one; that it is ready is not waited for."""
        ...

    def wait(self, workers: Sequence[Worker], seconds: float) -> list[tuple[Worker, Outcome]]:
        """What came of those of some workers that were sent a shard and have ended it, at the latest after a time."""
        ...

    def close(self) -> None:
        """End all workers, and what was started for them."""
        ...


@dataclass
class _Task:
    shard: Shard
    since: float


def drive(
    crew: Crew, shards: Sequence[Shard], *, n_workers: int, deadline_seconds: float, max_deaths: int, advance: Advance
) -> Iterator[ShardReport]:
    """Have a crew make shards, each until it is made: a dead or overdue worker's shard goes to another.

    Args:
        crew: Starts the workers; closed at the end, whatever happens.
        shards: To be made.
        n_workers: How many at once.
        deadline_seconds: A worker that takes longer over a shard, its own start included, is killed.
        max_deaths: So many without a shard made in between end the work.
        advance: Told the items of each shard that is made.

    Raises:
        XmasError: Of the work.
        StoreError: If workers die again and again.
    """
    waiting = deque(shards)
    tasks: dict[Worker, _Task] = {}
    idle: list[Worker] = []
    n_deaths = 0
    try:
        while waiting or tasks:
            while waiting and len(tasks) < n_workers:
                worker = idle.pop() if idle else crew.start()
                tasks[worker] = _Task(waiting.popleft(), time.monotonic())
                worker.send(tasks[worker].shard)
            outcomes = crew.wait(list(tasks), min(_LOOK_SECONDS, deadline_seconds))
            for worker, outcome in outcomes:
                task = tasks.pop(worker)
                if isinstance(outcome, Failed):
                    raise outcome.error
                if isinstance(outcome, Died):
                    n_deaths = _count_death(n_deaths, max_deaths, outcome.reason, task.shard)
                    waiting.appendleft(task.shard)
                    continue
                n_deaths = 0
                idle.append(worker)
                advance(outcome.shard.n_items)
                yield outcome
            for worker in [w for w, task in tasks.items() if time.monotonic() - task.since > deadline_seconds]:
                task = tasks.pop(worker)
                worker.kill()
                reason = f"no answer for {deadline_seconds:g} s (workers.deadline_seconds)"
                n_deaths = _count_death(n_deaths, max_deaths, reason, task.shard)
                waiting.appendleft(task.shard)
    finally:
        crew.close()


def _count_death(n_deaths: int, max_deaths: int, reason: str, shard: Shard) -> int:
    """One more; ``StoreError`` if that is too many."""
    if n_deaths + 1 >= max_deaths:
        raise StoreError(
            f"{max_deaths} workers ended without making a shard, the last at shard {shard.index} ({reason}); what is "
            "made is kept: look at the machine's memory and log, and run again, or set workers.engine to 'serial'"
        )
    _LOG.warning("the worker at shard %d is gone (%s); another makes it", shard.index, reason)
    return n_deaths + 1


def outcome_of(work: ShardWork, shard: Shard) -> ShardReport | Failed:
    """Make a shard in a worker; an error is given back in a form that can be sent."""
    try:
        return make_shard(work, shard, lambda _: None)
    except Exception as error:
        return failure(error, f"shard {shard.index}")


def failure(error: Exception, what: str) -> Failed:
    """An error in a form that can be sent: ours as it is; another, which is a bug, by its words and logged whole."""
    if isinstance(error, XmasError):
        return Failed(error)
    _LOG.error("%s failed in a worker", what, exc_info=error)
    return Failed(RuntimeError(f"{what} failed in a worker: {type(error).__name__}: {first_line(error)}"))
