"""What work used of the machine: measured by clocks, and added to where an earlier run did part of it."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Usage:
    """What work used. None is not known, as in notes that an earlier version left.

    Attributes:
        cpu_seconds: Processor time, all threads.
        wall_seconds: Time on the clock.
        gpu_seconds: Time on the clock of work that took memory of a GPU; 0 where all ran on the processor.
    """

    cpu_seconds: float = 0.0
    wall_seconds: float | None = 0.0
    gpu_seconds: float | None = 0.0

    @property
    def device(self) -> str | None:
        """``gpu`` if some of it ran on one, else ``cpu``; None if that is not known."""
        return None if self.gpu_seconds is None else "gpu" if self.gpu_seconds else "cpu"

    def share(self, share: float) -> "Usage":
        """A part of it."""
        return Usage(
            share * self.cpu_seconds,
            None if self.wall_seconds is None else share * self.wall_seconds,
            None if self.gpu_seconds is None else share * self.gpu_seconds,
        )

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.cpu_seconds + other.cpu_seconds,
            _sum(self.wall_seconds, other.wall_seconds),
            _sum(self.gpu_seconds, other.gpu_seconds),
        )


def largest(usages: Iterable[Usage]) -> Usage:
    """That of the most processor time; nothing of none."""
    return max(usages, key=lambda usage: usage.cpu_seconds, default=Usage())


@dataclass
class Meter:
    """What a block has used so far, and what it found done by earlier runs."""

    earlier: Usage = field(default_factory=Usage)
    _cpu: float = field(default_factory=time.process_time)
    _wall: float = field(default_factory=time.monotonic)
    _gpu: int = field(default_factory=lambda: _gpu_allocations())

    def used(self) -> Usage:
        """Since it was made, of this process."""
        wall = time.monotonic() - self._wall
        return Usage(time.process_time() - self._cpu, wall, wall if _gpu_allocations() > self._gpu else 0.0)

    def total(self) -> Usage:
        """With what earlier runs did of the same work."""
        return self.used() + self.earlier


_METERS: ContextVar[tuple[Meter, ...]] = ContextVar("meters", default=())


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure a block. Within it, what is found done is counted by ``count_earlier``."""
    meter = Meter()
    token = _METERS.set((*_METERS.get(), meter))
    try:
        yield meter
    finally:
        _METERS.reset(token)


def count_earlier(usage: Usage) -> None:
    """Count what an earlier run used for work that is found done, in all blocks that are being measured."""
    for meter in _METERS.get():
        meter.earlier += usage


def _gpu_allocations() -> int:
    """How often this process has taken memory of a GPU so far."""
    torch = sys.modules.get("torch")  # loaded only where a model is
    if torch is None or not torch.cuda.is_initialized():
        return 0
    return torch.cuda.memory_stats().get("allocation.all.allocated", 0)


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second
