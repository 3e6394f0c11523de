"""How commands print. Results go to standard output, everything else to standard error.

On a terminal tables are drawn. Anywhere else they are lines of tab-separated cells below a line of names, whole and
without colour, so that other programs can read them. A value that is missing is an empty cell. With ``--json`` all
that a command prints is one JSON object: by the name of each table, a list of its rows.
"""

import errno
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType

_WHOLE = sys.maxsize - 1  # characters of a cell: outside a terminal none is cut
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors of writing that are no fault of the program."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object: a list of rows by table.")]
_document: dict[str, Any] | None = None  # what a command prints as JSON, until it is whole


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


def prints_tables(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that prints tables the option ``--json``; one that fails prints no half of a document."""

    @wraps(command)
    def wrapped(*arguments: Any, as_json: bool, **options: Any) -> None:
        global _document
        _document = {} if as_json else None
        try:
            command(*arguments, **options)
        except (SystemExit, typer.Exit):  # after all that it had to print
            _print_document()
            raise
        else:
            _print_document()
        finally:
            _document = None

    signature = inspect.signature(command)
    option = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson)
    wrapped.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # pyright: ignore[reportAttributeAccessIssue]
    wrapped.__annotations__ = {**command.__annotations__, "as_json": AsJson}
    return wrapped


def _print_document() -> None:
    if _document is not None:
        print(json.dumps(_document, indent=1, ensure_ascii=False))


def is_drawn() -> bool:
    """Whether tables are drawn for a person: standard output is a terminal, and JSON is not asked for."""
    return _document is None and sys.stdout.isatty()


def draw(picture: "RenderableType") -> None:
    """Print a rich table or text on the terminal."""
    from rich.console import Console

    Console(highlight=False).print(picture)


def print_table(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; text from data shows as it is, without control codes or markup.

    Args:
        name: What it is called in JSON; a command has one table of a name.
        columns: Names of its columns.
        rows: Their cells.
    """
    if _document is not None:
        assert name not in _document, name
        from xmas_assets.store.result_files import plain

        _document[name] = [dict(zip(columns, map(plain, row), strict=True)) for row in rows]
        return
    if not is_drawn():
        for row in (columns, *rows):
            print("\t".join(_cell(cell, limit=_WHOLE) for cell in row))
        return
    cells = [[_cell(f"{cell:.4g}" if isinstance(cell, float) else cell) for cell in row] for row in rows]
    if not cells:
        print(f"{name}: no rows")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = list(map(_cell, columns))
    room = Console().width - 2 * len(names) - 1  # all but the gaps
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column, width in zip(names, column_widths([names, *cells], room), strict=True):
        table.add_column(Text(column), width=width, overflow="fold")  # a narrow terminal cuts no number
    for row in cells:
        table.add_row(*map(Text, row))
    draw(table)


def column_widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """The width of each column: no word is broken where there is room for all, and else least of all in the first."""
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    whole = [max(map(cell_len, column)) for column in columns]
    words = [max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    least, most = (words, whole) if sum(words) <= room else ([min(words[0], room // 2), *(1 for _ in words[1:])], words)

    def below(limit: int) -> list[int]:
        return [max(low, min(high, limit)) for low, high in zip(least, most, strict=True)]

    return next((below(limit) for limit in range(max(most), 1, -1) if sum(below(limit)) <= room), below(1))


def print_frame(name: str, frame: "pl.DataFrame") -> None:
    """Print a frame as a table."""
    print_table(name, frame.columns, frame.iter_rows())


def print_text(name: str, text: str) -> None:
    """Print a result that is no table: in JSON a text of this name."""
    if _document is None:
        print(text)
    else:
        assert name not in _document, name
        _document[name] = text


def print_gap() -> None:
    """Print an empty line between two tables."""
    if _document is None:
        print("")


def _cell(value: object, *, limit: int = 120) -> str:
    from xmas_assets.report.text import visible

    return "" if value is None else visible(value, limit)
