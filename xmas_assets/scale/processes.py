"""Workers that are processes of this machine."""

import os
import pickle
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from xmas_assets.scale.child_processes import not_for_children
from xmas_assets.scale.crews import Died, Outcome, Worker, drive, failure, outcome_of
from xmas_assets.scale.engines import Advance, ShardReport, ShardWork
from xmas_assets.scale.shards import Shard

_SPAWN = get_context("spawn")  # a fork would share torch's threads
_END_SECONDS = 10


@dataclass(frozen=True)
class ProcessEngine:
    """Makes shards in several processes of this machine.

    Attributes:
        n_workers: How many.
        deadline_seconds: A worker that takes longer over a shard is killed, and another makes it.
        max_deaths: So many workers in a row may end without making a shard.
    """

    n_workers: int
    deadline_seconds: float
    max_deaths: int
    is_elsewhere = True
    is_coordinator = True

    def make(self, work: ShardWork, shards: Sequence[Shard], advance: Advance) -> Iterator[ShardReport]:
        """Make shards as they come; raises as ``drive``."""
        if shards:
            yield from drive(
                ProcessCrew(pickle.dumps(work)),
                shards,
                n_workers=min(self.n_workers, len(shards)),
                deadline_seconds=self.deadline_seconds,
                max_deaths=self.max_deaths,
                advance=advance,
            )


class _Process:
    """One of them."""

    def __init__(self, work: bytes) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.process: SpawnProcess = _SPAWN.Process(target=_serve, args=(theirs, work))
        with not_for_children():
            self.process.start()
        theirs.close()  # so that the end of theirs is the end of the process

    def send(self, shard: Shard) -> None:
        with suppress(OSError):  # dead already, which is heard when it is waited for
            self.connection.send(shard)

    def kill(self) -> None:
        self.process.kill()
        self.process.join(_END_SECONDS)
        self.connection.close()

    def outcome(self) -> Outcome:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join(_END_SECONDS)
            code = self.process.exitcode
            self.connection.close()
            return Died(f"process {self.process.pid} ended with code {code}; -9 often means that memory ran out")


class ProcessCrew:
    """Starts processes for some work."""

    def __init__(self, work: bytes) -> None:
        """Take the work, pickled."""
        self._work = work
        self._started: list[_Process] = []

    def start(self) -> _Process:
        """Start one."""
        self._started.append(_Process(self._work))
        return self._started[-1]

    def wait(self, workers: Sequence[Worker], seconds: float) -> list[tuple[Worker, Outcome]]:
        """Hear of those that have ended a shard, or themselves."""
        by_connection: dict[Any, _Process] = {w.connection: w for w in workers if isinstance(w, _Process)}
        ready = wait(list(by_connection), timeout=seconds)
        return [(by_connection[connection], by_connection[connection].outcome()) for connection in ready]

    def close(self) -> None:
        """Kill those that live: what they have not committed is nothing."""
        for worker in self._started:
            with suppress(OSError, ValueError):
                worker.kill()


def _serve(connection: Connection, pickled: bytes) -> None:
    """Make the shards that are sent, until the other end is closed or its process is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with ExitStack() as stack:
        try:
            work: ShardWork = pickle.loads(pickled)  # noqa: S301 - of our own parent
            stack.enter_context(work.ready())
        except Exception as error:
            with suppress(EOFError, OSError):
                connection.recv()
                connection.send(failure(error, "the start"))
            return
        while True:
            try:
                shard = connection.recv()
            except (EOFError, OSError):
                return
            connection.send(outcome_of(work, shard))


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, also if that was killed in the middle of a shard."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
