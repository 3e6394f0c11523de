"""Bounds around code that a model's directory brings along: its chat template is a program."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from types import FrameType
from typing import Any

_ONE_AT_A_TIME = RLock()  # the limit on memory is the whole process's
_MAX_LINES = 2_000_000
_MAX_BYTES = 2 << 30


class TooMuchWorkError(Exception):
    """Code inside ``bounded_work`` ran for too long."""


@contextmanager
def bounded_work(*, max_lines: int = _MAX_LINES, max_bytes: int = _MAX_BYTES) -> Iterator[None]:
    """Let functions called inside the block run so many lines, and the process grow so much, but no more.

    Raises:
        TooMuchWorkError: Inside the block, at the first line too many.
        MemoryError: Inside the block, where more memory is asked for (not on macOS, which keeps no such limit).
    """
    left = max_lines

    def count(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        left -= event == "line"
        if left < 0:
            raise TooMuchWorkError
        return count

    with _ONE_AT_A_TIME:
        traced, limits = sys.gettrace(), resource.getrlimit(resource.RLIMIT_AS)
        _limit_memory(max_bytes, limits)
        sys.settrace(count)
        try:
            yield
        finally:
            sys.settrace(traced)
            resource.setrlimit(resource.RLIMIT_AS, limits)


def _limit_memory(more: int, limits: tuple[int, int]) -> None:
    """Lower the soft limit to what is in use and ``more``; a lower one stays."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123 not a file of ours
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    soft, hard = limits
    wanted = used + more
    if soft == resource.RLIM_INFINITY or wanted < soft:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
