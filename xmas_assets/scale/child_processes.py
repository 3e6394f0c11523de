"""Processes that this one starts and ends itself."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def not_for_children() -> Iterator[None]:
    """Keep stop signals from processes that are started in the block: this one ends them."""
    from multiprocessing import resource_tracker  # takes a while, and most commands start no process

    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # children inherit it
    try:
        resource_tracker.ensure_running()  # else the first child starts it; it lets SIGINT and SIGTERM in again
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
