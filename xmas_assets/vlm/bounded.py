"""Bounds around what a model's directory makes us do: its chat template is a program, its processor has any size."""

import gc
import os
import resource
import signal
import warnings
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.messages import one_line

_SECONDS = 60  # of waiting, should the child get stuck
_WRITTEN, _TOO_MUCH, _REFUSED = range(3)


class Bounds(NamedTuple):
    """What a child process may take.

    Attributes:
        cpu_seconds: Of the processor.
        more_bytes: Of memory, beyond what this process has.
        beyond: What is wrong where it takes more, and what to do, for the message.
    """

    cpu_seconds: int
    more_bytes: int
    beyond: str


OF_TEMPLATES = Bounds(
    2,
    256 << 20,
    "the chat template runs for too long or takes too much memory; use another model, or fix its chat_template.jinja",
)


class RefusedWorkError(Exception):
    """Work in ``bounded_text`` raised an error; the message is that error in one line."""


def bounded_text(work: Callable[[], str], bounds: Bounds = OF_TEMPLATES) -> str:
    """Return the text that work, such as a chat template, writes in a child process, which is stopped at its bounds.

    One operation of a template, such as ``9**(9**9)``, may run for hours without a line of Python in between: only a
    process can be stopped there. The child is a fork: it needs no time to start, and has the processor already.

    Args:
        work: Makes the text.
        bounds: What it may take.

    Raises:
        ModelError: If it takes more (macOS bounds only time).
        RefusedWorkError: If ``work`` raises.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns of locks that other threads hold; the child takes none but Python's own, which are made anew.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _work_and_exit(work, writer, bounds)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as stream:
            said = stream.read().decode(errors="surrogatepass")
    finally:
        _, status = os.waitpid(child, 0)
    end = os.waitstatus_to_exitcode(status)
    if end == _REFUSED:
        raise RefusedWorkError(said)
    if end != _WRITTEN:
        raise ModelError(bounds.beyond)
    return said


def _work_and_exit(work: Callable[[], str], writer: int, bounds: Bounds) -> NoReturn:
    """Write the text or the error to the pipe; the process ends here, without any clean-up of its parent's things."""
    end = _TOO_MUCH
    try:
        gc.disable()  # the parent's garbage, such as tensors on a GPU, is not to be freed here
        _set_bounds(bounds)
        try:
            said, end = work(), _WRITTEN
        except (MemoryError, RecursionError):
            said = ""
        except Exception as error:  # it may raise anything
            said, end = one_line(error), _REFUSED
        with os.fdopen(writer, "wb") as stream:
            stream.write(said.encode(errors="surrogatepass"))
    except BaseException:
        end = _TOO_MUCH
    finally:
        os._exit(end)


def _set_bounds(bounds: Bounds) -> None:
    for number in (signal.SIGXCPU, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)  # ends the process, also inside an operation
    signal.alarm(_SECONDS)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, bounds.cpu_seconds)
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123 not a file of ours
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # macOS keeps no such limit
        return
    _lower(resource.RLIMIT_AS, used + bounds.more_bytes)


def _lower(kind: int, wanted: int) -> None:
    """Lower a soft limit; a lower one stays."""
    soft, hard = resource.getrlimit(kind)
    if soft == resource.RLIM_INFINITY or wanted < soft:
        resource.setrlimit(kind, (wanted, hard))
