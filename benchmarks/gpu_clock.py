"""A time budget for a list of cases, and what each case measures within its share of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from xmas_assets.vlm.devices import peak_memory_bytes

_RESERVE_SECONDS = 15  # the longest step between two looks at the clock, and the end


class OutOfTimeError(Exception):
    """The whole budget is spent."""


class Clock:
    """Gives each case an equal share of the time that is left."""

    def __init__(self, seconds: float, *, n_cases: int, is_dry: bool = False) -> None:
        """Start the clock.

        Args:
            seconds: Of all cases together.
            n_cases: How many will be started.
            is_dry: Whether a case is measured once only, whatever its share.
        """
        self._end = time.monotonic() + seconds - _RESERVE_SECONDS
        self._n_left = n_cases
        self._is_dry = is_dry
        self._case_end = self._end

    def start_case(self) -> None:
        """Begin the next case; ``OutOfTimeError`` if there is no time for it."""
        now = time.monotonic()
        self._case_end = now if self._is_dry else now + (self._end - now) / max(1, self._n_left)
        self._n_left -= 1
        self.check()

    def check(self) -> None:
        """Raise ``OutOfTimeError`` if the whole budget is spent; to be called every few seconds."""
        if time.monotonic() >= self._end:
            raise OutOfTimeError

    def has_time_for(self, seconds: float) -> bool:
        """Whether this much more fits into the case's share."""
        return time.monotonic() + seconds <= self._case_end


@dataclass
class Measured:
    """What a case took.

    Attributes:
        n_samples: Done while the time was taken.
        seconds: That they took.
        memory_bytes: Most memory held at once.
        flops_per_sample: Operations that a sample cannot do without (``gpu_flops``).
        parts: Seconds of a sample by what they went to, where that was measured.
        notes: What a reader of the number should know.
    """

    n_samples: int
    seconds: float
    memory_bytes: int
    flops_per_sample: float
    parts: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def repeat(
    unit: Callable[[], int], clock: Clock, device: torch.device, *, flops_per_sample: float, warm: Callable[[], object]
) -> Measured:
    """Do a unit of work again and again for the case's share of the time, and at least once.

    Args:
        unit: Does it, and gives the number of samples.
        clock: Of the cases.
        device: Where the work is done.
        flops_per_sample: For the result.
        warm: Done before, so that kernels are loaded and memory is asked for.
    """
    warm()
    wait(device)
    forget_peak(device)
    start, n_samples, n_units, seconds = time.perf_counter(), 0, 0, 0.0
    while not n_units or clock.has_time_for(seconds / n_units):
        n_samples += unit()
        wait(device)
        n_units, seconds = n_units + 1, time.perf_counter() - start
    return Measured(n_samples, seconds, peak_memory_bytes(device), flops_per_sample)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """How long some work takes, done once."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    """Wait until a card has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def forget_peak(device: torch.device) -> None:
    """Begin to look for the most memory held at once anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def matrix_rate(device: torch.device, *, side: int, n_products: int = 20, repeats: int = 5) -> float:
    """Operations per second of a product of two square bfloat16 matrices, 2 side^3 operations each; the best repeat."""
    square = torch.randn(side, side, device=device, dtype=torch.bfloat16)

    def multiply() -> None:
        for _ in range(n_products):
            square.mm(square)

    multiply()
    return n_products * 2 * side**3 / min(seconds_of(multiply, device) for _ in range(repeats))
