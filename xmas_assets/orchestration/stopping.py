"""How a command is stopped by Ctrl-C, SIGTERM or a closed terminal: within seconds, wherever it is at that moment.

The signal raises ``KeyboardInterrupt`` in the main thread, so that what is half done is put away. Where that does not
end the command in time, because a library swallows it or computes without a line of Python, a thread ends the process:
a kill at any moment loses nothing. No process that the command started is left behind.
"""

import atexit
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from xmas_assets.scale.child_processes import STOP_SIGNALS

_GRACE_SECONDS = 3.0  # in which the main thread may end by itself
_AGAIN_SECONDS = 0.05  # before an interruption that was swallowed is raised anew
_LAST_SECONDS = 5.0  # in which children are ended and runs are marked
_CHILDREN_SECONDS = 1.0  # in which children may end by themselves

_received: list[int] = []  # stop signals, as they came
_is_raised = threading.Event()
_ending = threading.Lock()  # taken once, and never given back
_cleanups: list[Callable[[], None]] = []


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a stop signal end the block and the process, with exit code 128 + its number; for a program's main thread.

    SIGINT stays ignored where a script started the program in the background, and SIGHUP below ``nohup``.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # Blocked, for Dagster sets a handler of its own, and gives SIGTERM the one that SIGINT had.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()
    sys.unraisablehook = _raise_again
    logging.setLogRecordFactory(_silence_interruption)
    atexit.register(_ignore)  # runs last: with nothing left to do, a signal must not make a failure of it
    try:
        yield
    finally:
        if is_stopping():
            _end()


def is_stopping() -> bool:
    """Whether a stop signal came to a program that is ``stoppable``."""
    return bool(_received)


@contextmanager
def at_stop(work: Callable[[], None]) -> Iterator[None]:
    """Do this work if the block is interrupted; it may be done in another thread, and is cut off after seconds."""
    _cleanups.append(work)
    try:
        yield
    except KeyboardInterrupt:
        work()
        raise
    finally:
        _cleanups.remove(work)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Handle a signal as SIGINT is handled now: while Dagster runs, that waits for a good moment."""
    _received.append(number)
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler) and handler is not _interrupt:
        handler(number, frame)
    elif not _is_raised.is_set():  # a second one must not disturb what the first made necessary
        _is_raised.set()
        raise KeyboardInterrupt


def _raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Interrupt anew where an interruption was swallowed, as in a callback of a weak reference."""
    if is_stopping() and not issubclass(unraisable.exc_type, Exception):
        _is_raised.clear()
        threading.Timer(_AGAIN_SECONDS, signal.raise_signal, _received[:1]).start()  # here it would be swallowed too
    else:
        sys.__unraisablehook__(unraisable)


def _silence_interruption(*args: Any, **named: Any) -> logging.LogRecord:
    """Make a log record; one of an interruption that a library logs as an error is below the level of every handler.

    SQLAlchemy logs it so, with a traceback, where it is closing a connection.
    """
    record = logging.LogRecord(*args, **named)
    if record.exc_info and record.exc_info[0] and not issubclass(record.exc_info[0], Exception):
        record.levelno = -1
    return record


def _ignore() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _watch(reader: int) -> None:
    """End the process some time after the first stop signal, if it has not ended by then."""
    while not is_stopping():
        number = os.read(reader, 1)[0]
        if number in STOP_SIGNALS:
            _received.append(number)
    time.sleep(_GRACE_SECONDS)
    _end()


def _end() -> NoReturn:
    """End the children, do what is to be done at a stop, and leave."""
    _ending.acquire()
    deadline = threading.Timer(_LAST_SECONDS, _leave)
    deadline.daemon = True
    deadline.start()
    for work in (_end_children, *reversed(_cleanups)):
        with suppress(Exception):  # it must not keep the process; the next run does what is missing
            work()
    _leave()


def _end_children() -> None:
    import psutil

    children: list[psutil.Process] = []
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        # Looked for anew: the main thread may have been about to start one.
        children = list({*children, *psutil.Process().children(recursive=True)})
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(number)
        _, children = psutil.wait_procs(children, timeout=_CHILDREN_SECONDS)


def _leave() -> NoReturn:
    """Say that the command was stopped, past all buffers and locks, and leave without waiting for anything."""
    number = _received[0]
    is_in_line = "tqdm" in sys.modules and bool(getattr(sys.modules["tqdm"].tqdm, "_instances", ()))  # behind a bar
    said = f"xmas: stopped ({signal.Signals(number).name}); what is finished is kept, and the same command goes on\n"
    with suppress(OSError, ValueError):  # the terminal may be closed, or standard error
        _, writable, _ = select.select([], [2], [], _CHILDREN_SECONDS)
        if writable:
            os.write(2, ("\n" * is_in_line + said).encode())
    os._exit(128 + number)
