"""Setting of who makes what is computed row by row. It decides no result, so it makes nothing stale."""

from typing import Literal

from pydantic import Field

from xmas_assets.contracts.section import MOST, MOST_THREADS, Section


class WorkersSettings(Section):
    """Who makes the shards of signals, gradients, embeddings and lengths; whoever it is, they have the same bytes."""

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
    deadline_seconds: float = Field(
        default=7200.0,
        gt=0,
        le=MOST,
        description="A worker that takes longer over a shard, with its own start, is killed, and another makes it.",
    )
    max_deaths: int = Field(
        default=5, ge=1, le=1000, description="So many workers that end in a row without making a shard end the run."
    )
