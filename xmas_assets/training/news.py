"""What a process of a training tells the one that started it, as lines among what libraries print.

A line counts as news only with a word that was drawn for this training: what a library prints of a dataset's text must
never be taken for it, since it is unpickled.
"""

import base64
import os
import pickle
from typing import Any, NamedTuple

WORD = "XMAS_NEWS_WORD"
"""Variable of the processes' environment that holds the word."""
_STANDARD_OUTPUT = 1


class Note(NamedTuple):
    """A log record."""

    logger: str
    level: int
    text: str


def tell(news: Any) -> None:
    """Say something that can be pickled; in one write, so that no other process writes into it."""
    content = base64.b64encode(pickle.dumps(news))
    os.write(_STANDARD_OUTPUT, b"\n" + _mark(os.environ[WORD]) + content + b"\n")


def read_news(line: bytes, *, word: str) -> Any:
    """What was told, or None for a line of something else."""
    if not line.startswith(_mark(word)):
        return None
    return pickle.loads(base64.b64decode(line.removeprefix(_mark(word))))  # noqa: S301 - of our own children


def _mark(word: str) -> bytes:
    return f"\x1exmas {word} ".encode()
