"""Setting of who makes what is computed row by row. It decides no result, so it makes nothing stale."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from xmas_assets.contracts.section import MOST, MOST_THREADS, Section

Sharding = Literal["ddp", "fsdp"]


def no_session() -> AbstractContextManager[Mapping[str, str]]:
    """Nothing around the processes, and no variables for them."""
    return nullcontext({})


@dataclass(frozen=True)
class Ranks:
    """Processes that train one model together.

    Attributes:
        n: How many; 1 is the process itself.
        sharding: 'ddp' or 'fsdp', as in the settings.
        session: Entered while there are several; gives variables for their environment.
    """

    n: int = 1
    sharding: Sharding = "ddp"
    session: Callable[[], AbstractContextManager[Mapping[str, str]]] = no_session

    @property
    def identity(self) -> tuple[str, ...]:
        """What they put into the identity of a training, since the order of its sums depends on them; one: nothing."""
        return () if self.n == 1 else (f"{self.n} ranks, {self.sharding}",)


class WorkersSettings(Section):
    """Who makes the shards of image checks, signals, gradients, embeddings, lengths and answers: the same bytes by all.

    And who trains: weights of several processes are those of one but for rounding.
    """

    engine: Literal["serial", "processes", "ray"] = Field(
        default="serial",
        description="'serial': the run itself, one after the other; 'processes': several on this machine; 'ray': "
        "actors of Ray, here or on machines that see the same XMAS_HOME (extra 'ray').",
    )
    n_workers: int = Field(default=2, ge=1, le=10_000, description="Processes or actors; not for 'serial'.")
    address: str | None = Field(
        default=None,
        max_length=1000,
        description="Of a Ray cluster, such as 'auto' or '10.0.0.1:6379'; null starts one.",
    )
    cpus_per_worker: float = Field(default=1.0, gt=0, le=MOST_THREADS, description="Processors Ray keeps for an actor.")
    gpus_per_worker: float = Field(default=0.0, ge=0, le=64, description="GPUs an actor of Ray sees; parts are shared.")
    models_in_memory: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Checkpoints that whoever reads signals or gradients keeps in memory at once. 1: each is loaded "
        "again for every shard; as many as there are: once for all shards, with the memory of all.",
    )
    deadline_seconds: float = Field(
        default=7200.0,
        gt=0,
        le=MOST,
        description="A worker that takes longer over a shard, with its own start, is killed, and another makes it.",
    )
    max_deaths: int = Field(
        default=5, ge=1, le=1000, description="So many workers that end in a row without making a shard end the run."
    )
    training_ranks: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="Processes that train a model together (torch.distributed.run), one for each GPU; each takes its "
        "part of a batch. 1: the run itself.",
    )
    training_sharding: Sharding = Field(
        default="ddp",
        description="'ddp': each process holds the whole model; 'fsdp': the weights, their gradients and the "
        "optimiser's state are split among them, where proxy or targets are trained without adapters.",
    )

    @property
    def ranks(self) -> Ranks:
        """Who trains."""
        return Ranks(self.training_ranks, self.training_sharding)
