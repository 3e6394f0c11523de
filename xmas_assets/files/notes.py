"""The door for JSON, our own and that of others: a file or text that anything may have happened to."""

import json
import stat
from pathlib import Path
from typing import Any

_MAX_BYTES = 2**28  # a note on each of a million images has fewer


def read_note(path: Path, *, most: int = _MAX_BYTES) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not a regular file, has more bytes, or is not JSON that a reader can hold.
    """
    return json_value(note_bytes(path, most=most))


def note_bytes(path: Path, *, most: int = _MAX_BYTES) -> bytes:
    """The bytes of a file that belongs into memory as a whole; errors as of ``read_note``."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait
        raise ValueError("it is not a regular file")
    if status.st_size > most:
        raise ValueError(f"it has {status.st_size:,} bytes, more than {most:,}")
    return path.read_bytes()


def json_value(text: str | bytes) -> Any:
    """The value of a JSON text; ``ValueError`` if it is not JSON, or too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
