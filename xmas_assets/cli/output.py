"""How commands print. Results go to standard output, everything else to standard error.

On a terminal tables are drawn. Anywhere else they are lines of tab-separated cells below a line of names, whole and
without colour, so that other programs can read them. A value that is missing is an empty cell.
"""

import errno
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType

_WHOLE = sys.maxsize - 1  # characters of a cell: outside a terminal none is cut
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors of writing that are no fault of the program."""


@contextmanager
def printed_whole() -> Iterator[None]:
    """Let a command print until everything is written; otherwise it ends with code 1.

    No room for the output is said in one line. For a reader that left, such as ``head``, nothing is printed.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the program that started this one
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - stays open as long as we run
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # an error of Python's own last flush would be no OSError here
    except OSError as error:
        if error.errno not in {*_NO_ROOM, errno.EPIPE}:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # that flush must not fail again
        if error.errno == errno.EPIPE:
            sys.exit(1)
        what = error.filename or "the output"
        remedy = "free some space, or write elsewhere, then run again"
        fail(f"{what} cannot be written ({error.strerror}); {remedy}", code=1)


def note(text: str) -> None:
    """Say what is going on, in one line on standard error."""
    print(text, file=sys.stderr, flush=True)


def fail(text: str, *, code: int = 2) -> NoReturn:
    """Say what is wrong, if there is more to say, in one line on standard error, and leave."""
    if not text:
        sys.exit(code)
    red, plain = ("\x1b[31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    note(f"{red}xmas: {' '.join(text.splitlines())}{plain}")
    sys.exit(code)


def is_drawn() -> bool:
    """Whether tables are drawn for a person: standard output is a terminal."""
    return sys.stdout.isatty()


def draw(picture: "RenderableType") -> None:
    """Print a rich table or text on the terminal."""
    from rich.console import Console

    Console(highlight=False).print(picture)


def print_table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; text from data shows as it is, without control codes or markup."""
    if not is_drawn():
        for row in (names, *rows):
            print("\t".join(_cell(cell, limit=_WHOLE) for cell in row))
        return
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(*(escape(_cell(name)) for name in names))
    for row in rows:
        table.add_row(*(Text(_cell(f"{cell:.4g}" if isinstance(cell, float) else cell)) for cell in row))
    draw(table)


def print_frame(frame: "pl.DataFrame") -> None:
    """Print a frame as a table."""
    print_table(frame.columns, frame.iter_rows())


def _cell(value: object, *, limit: int = 120) -> str:
    from xmas_assets.report.text import visible

    return "" if value is None else visible(value, limit)
