"""What the processes of one training (ranks) tell each other; in a training of one process, nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from torch import distributed

from xmas_assets.training.run_directory import Cost

Value = TypeVar("Value")


def rank() -> int:
    """Number of this process among those of the training, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def n_ranks() -> int:
    """Number of processes of the training."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process writes: checkpoints, states, notes."""
    return rank() == 0


def gathered(value: Value) -> list[Value]:
    """Each rank's value, by rank; all have to ask."""
    if n_ranks() == 1:
        return [value]
    found: list[Any] = [None] * n_ranks()
    distributed.all_gather_object(found, value)
    return found


def of_first(make: Callable[[], Value]) -> Value:
    """What the first rank makes, given to all; all have to ask."""
    if n_ranks() == 1:
        return make()
    box: list[Any] = [make() if is_first() else None]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def own_part(cost: Cost) -> Cost:
    """What a resumed run has used so far, as this rank counts on: what was counted by all ranks, only once."""
    return cost if is_first() else replace(cost, cpu_seconds=0.0, n_features_read=0)


def total(cost: Cost) -> Cost:
    """What all ranks have used, from what each has; losses and samples are counted by each for all."""
    parts = gathered((cost.cpu_seconds, cost.n_features_read, cost.peak_memory_bytes))
    cpu_seconds, n_features_read, peaks = zip(*parts, strict=True)
    return replace(
        cost, cpu_seconds=sum(cpu_seconds), n_features_read=sum(n_features_read), peak_memory_bytes=max(peaks)
    )
