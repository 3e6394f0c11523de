"""Workers that are actors of Ray, on this machine or on others that see the same ``XMAS_HOME``.

Ray places actors and tells when one is gone; no value goes through its object store. An actor that died is replaced by
a new one here, not by Ray: Ray would wait for the node of the old one to have room again.
"""

import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import first_line
from xmas_assets.scale.crews import Died, Failed, Outcome, Worker, drive, failure, outcome_of
from xmas_assets.scale.engines import Advance, ShardReport, ShardWork
from xmas_assets.scale.shards import Shard

_MOST_OBJECT_STORE = 200_000_000  # bytes; only the work itself goes through it


@dataclass(frozen=True)
class RayEngine:
    """Makes shards in actors of Ray.

    Attributes:
        n_workers: How many actors.
        deadline_seconds: As of ``ProcessEngine``; waiting for a place to run counts.
        max_deaths: As there.
        address: Of a cluster; None for one on this machine, for as long as the work takes.
        cpus_per_worker: Processors that Ray keeps for an actor.
        gpus_per_worker: GPUs that an actor sees; a fraction is shared.
    """

    n_workers: int
    deadline_seconds: float
    max_deaths: int
    address: str | None
    cpus_per_worker: float
    gpus_per_worker: float
    is_elsewhere = True
    is_coordinator = True

    def make(self, work: ShardWork, shards: Sequence[Shard], advance: Advance) -> Iterator[ShardReport]:
        """Make shards as they come; raises as ``drive``.

        Raises:
            SettingsError: If Ray is not installed, or its cluster is not there.
        """
        if shards:
            yield from drive(
                RayCrew(self, pickle.dumps(work)),
                shards,
                n_workers=min(self.n_workers, len(shards)),
                deadline_seconds=self.deadline_seconds,
                max_deaths=self.max_deaths,
                advance=advance,
            )


@dataclass(eq=False)
class _ActorWorker:
    actor: Any
    kill_actor: Any
    pending: Any = field(default=None)

    def send(self, shard: Shard) -> None:
        self.pending = self.actor.make.remote(pickle.dumps(shard))

    def kill(self) -> None:
        self.kill_actor(self.actor, no_restart=True)


class RayCrew:
    """Starts actors for some work."""

    def __init__(self, engine: RayEngine, work: bytes) -> None:
        """Connect to the cluster, or start one.

        Raises:
            SettingsError: If Ray is not installed, or its cluster is not there.
        """
        self._ray = ray = _imported()
        self._owns = not ray.is_initialized()
        if self._owns:
            _connect(ray, engine)
        options = {"num_cpus": engine.cpus_per_worker, "num_gpus": engine.gpus_per_worker, "max_restarts": 0}
        self._class = ray.remote(_Actor).options(scheduling_strategy="SPREAD", **options)
        self._work = ray.put(work)
        self._started: list[_ActorWorker] = []

    def start(self) -> _ActorWorker:
        """Start an actor, where Ray has room."""
        self._started.append(_ActorWorker(self._class.remote(self._work), self._ray.kill))
        return self._started[-1]

    def wait(self, workers: Sequence[Worker], seconds: float) -> list[tuple[Worker, Outcome]]:
        """Hear of those whose call came back, or cannot any more."""
        by_call = {worker.pending: worker for worker in workers if isinstance(worker, _ActorWorker)}
        ready, _ = self._ray.wait(list(by_call), num_returns=len(by_call), timeout=seconds)
        return [(by_call[call], self._outcome(call)) for call in ready]

    def close(self) -> None:
        """End the actors, and the cluster if it was started here."""
        for worker in self._started:
            with suppress(Exception):  # whatever Ray says of one that is gone
                worker.kill()
        if self._owns:
            self._ray.shutdown()

    def _outcome(self, call: Any) -> Outcome:
        try:
            return pickle.loads(self._ray.get(call))  # noqa: S301 - of our own actor
        except self._ray.exceptions.RayError as error:
            return Died(first_line(error))


class _Actor:
    """Holds the models, and makes one shard after the other."""

    def __init__(self, pickled: bytes) -> None:
        self._stack = ExitStack()
        self._failed: Failed | None = None
        try:
            self._work: ShardWork = pickle.loads(pickled)  # noqa: S301 - of our own driver
            self._stack.enter_context(self._work.ready())
        except Exception as error:
            self._failed = failure(error, "the start")

    def make(self, shard: bytes) -> bytes:
        return pickle.dumps(self._failed or outcome_of(self._work, pickle.loads(shard)))  # noqa: S301


def _imported() -> Any:
    try:
        import ray  # pyright: ignore[reportMissingImports] an extra
    except ImportError:
        raise SettingsError(
            "workers.engine is 'ray', and Ray is not installed; run: pip install 'xmas-assets[ray]', or set it to "
            "'processes'"
        ) from None
    return ray


def _connect(ray: Any, engine: RayEngine) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Actors import what this process does, also where the package is not installed.
    paths = os.pathsep.join(path for path in sys.path if path)
    common = {"log_to_driver": False, "runtime_env": {"env_vars": {"PYTHONPATH": paths}}}
    try:
        if engine.address:
            ray.init(address=engine.address, **common)
        else:
            ray.init(
                address="local",
                num_cpus=max(1, round(engine.n_workers * engine.cpus_per_worker)),
                include_dashboard=False,
                object_store_memory=_MOST_OBJECT_STORE,
                _node_ip_address="127.0.0.1",
                **common,
            )
    except (ConnectionError, RuntimeError, OSError, ValueError) as error:
        where = engine.address or "this machine"
        raise SettingsError(
            f"Ray on {where} is not there ({first_line(error)}); start it (ray start --head), correct workers.address "
            "or its token (RAY_AUTH_MODE, RAY_AUTH_TOKEN), or set workers.engine to 'processes'"
        ) from error
