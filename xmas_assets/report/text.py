"""Text out of data or models made safe to show: one line, bounded, no control codes, no markup."""

import html
from collections.abc import Iterable, Sequence

_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\`*_[]|$~#"})


def visible(text: object, limit: int = 120) -> str:
    r"""One bounded line in which every character can be seen; control, ANSI and bidirectional codes are spelt out.

    Args:
        text: Anything; its ``str`` is shown.
        limit: Longest result, in characters; a longer text ends in an ellipsis.

    Example:
        >>> visible("\x1b[31mred\n")
        '\\x1b[31mred\\n'
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def duration(seconds: float) -> str:
    """A time for people.

    Example:
        >>> duration(3.21), duration(75), duration(7500)
        ('3.2 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def markdown_cell(text: object, limit: int = 120) -> str:
    r"""The text as a Markdown table cell that renders as itself.

    Example:
        >>> markdown_cell("a|<b>")
        'a\\|&lt;b&gt;'
    """
    return html.escape(visible(text, limit).translate(_MARKDOWN), quote=False)


def figure_text(text: object, limit: int = 40) -> str:
    """The text as a figure label: dollar signs do not start a formula."""
    return visible(text, limit).replace("$", r"\$")


class Markdown(str):
    """Text that is meant to be rendered as Markdown; what it quotes from data is already escaped."""

    __slots__ = ()


def markdown_table(
    columns: Sequence[str], rows: Iterable[Iterable[object]], *, marks: Sequence[str] | None = None
) -> Markdown:
    """A Markdown table; every heading and cell renders as itself.

    Args:
        columns: Headings.
        rows: Cells of each row, as many as there are headings.
        marks: Alignment of each column, such as ``--:`` for the right; by default the renderer's own.
    """
    lines = [map(markdown_cell, columns), marks or ["---"] * len(columns), *(map(markdown_cell, row) for row in rows)]
    return Markdown("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
