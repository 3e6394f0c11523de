"""What a process of a training tells the one that started it, as lines among whatever libraries print."""

import base64
import os
import pickle
from typing import Any, NamedTuple

_MARK = b"\x1exmas "
_STANDARD_OUTPUT = 1


class Note(NamedTuple):
    """A log record."""

    logger: str
    level: int
    text: str


def tell(news: Any) -> None:
    """Say something that can be pickled; in one write, so that no other process writes into it."""
    os.write(_STANDARD_OUTPUT, b"\n" + _MARK + base64.b64encode(pickle.dumps(news)) + b"\n")


def read_news(line: bytes) -> Any:
    """What was told, or None for a line of something else."""
    if not line.startswith(_MARK):
        return None
    return pickle.loads(base64.b64decode(line.removeprefix(_MARK)))  # noqa: S301 - of our own children
