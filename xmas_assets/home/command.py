"""Which command a run belongs to: all runs of one command, in any of its processes, bear the same tag."""

import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

_TAG = "xmas/command"


class Command(NamedTuple):
    """A command as it was typed, and when it began in nanoseconds since 1970, so that no two are the same."""

    words: str
    began: int

    @classmethod
    def now(cls) -> Self:
        """The command that this process runs."""
        name = Path(sys.argv[0]).name
        name = {"__main__.py": "xmas", "-c": "python", "-m": "python", "": "python"}.get(name, name)
        return cls(shlex.join([name, *sys.argv[1:]]), time.time_ns())

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Self | None:
        """The command of a run with these tags; None for one that was launched in the UI."""
        began, _, words = tags.get(_TAG, "").partition(" ")
        return cls(words, int(began)) if began else None

    @property
    def identity(self) -> str:
        """The same for all runs of the command, and for no other's."""
        return f"{self.began} {self.words}"

    def tags(self) -> dict[str, str]:
        """The tag of its runs."""
        return {_TAG: self.identity}

    @property
    def started(self) -> float:
        """When it began, seconds since 1970."""
        return self.began / 1e9

    @property
    def program(self) -> str:
        """The command without its options, such as ``xmas run``."""
        return " ".join(word for word in shlex.split(self.words)[:2] if not word.startswith("-")) or "python"
