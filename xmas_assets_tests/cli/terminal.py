"""A program in a real terminal: what it draws there, and what it answers to keys."""

import os
import pty
import select
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SCRIPTS = Path(sys.executable).parent


def environment(home: Path) -> dict[str, str]:
    """The variables of a person whose platform is at ``home`` and who can call ``xmas``."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"XMAS_HOME": str(home), "HOME": str(home), "PATH": path, "TERM": "xterm"}


class Terminal:
    """The near end of a pseudo-terminal of 24 lines of 200 columns."""

    def __init__(self, file: int) -> None:
        self._file = file

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._file, keys.encode())

    def read(self, *, until: str | None = None, seconds: float = 200.0) -> str:
        """What the program draws up to and with a text, or to its end; at most for so long."""
        shown, ends = b"", time.monotonic() + seconds
        while until is None or until.encode() not in shown:
            if not select.select([self._file], [], [], max(0.0, ends - time.monotonic()))[0]:
                raise TimeoutError(f"{until!r} was not drawn within {seconds} s, but {shown.decode()!r}")
            try:
                more = os.read(self._file, 4096)
            except OSError:  # how Linux says that the program has ended
                more = b""
            if not more:
                break
            shown += more
        return shown.decode()


@contextmanager
def terminal(command: Sequence[str], home: Path) -> Iterator[Terminal]:
    """A program in a terminal of its own, which is closed at the end."""
    process, file = pty.fork()
    if process == 0:
        termios.tcsetwinsize(0, (24, 200))
        os.execvpe(command[0], list(command), environment(home))
    try:
        yield Terminal(file)
    finally:
        os.close(file)
        os.waitpid(process, 0)
