"""Work for the tests of engines: shards of numbers, and workers that die, freeze or fail when they are told to."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xmas_assets.contracts.errors import ModelError
from xmas_assets.scale.engines import Advance, MadeShard
from xmas_assets.scale.shards import Shard, shards_of_groups, writing_shard

SHARDS = shards_of_groups([1] * 12, 1)


@dataclass(frozen=True)
class Numbers:
    """Writes the bounds of a shard.

    Attributes:
        folder: Of the shards.
        mishap: What happens once, at the shard of index 4: ``killed``, ``frozen``; or always: ``refused``, ``bug``,
            ``mortal``.
        seconds: How long a shard takes.
    """

    folder: Path
    mishap: str = ""
    seconds: float = 0.0

    @contextmanager
    def ready(self) -> Iterator[None]:
        self._note("ready")
        yield

    def make(self, shard: Shard, advance: Advance) -> MadeShard:
        self._note(f"begin {shard.index}")
        if shard.index == 4:
            self._meet(self.mishap)
        time.sleep(self.seconds)
        path = self.folder / shard.file_name
        with writing_shard(path) as unfinished:
            unfinished.write_text(f"{shard.start}-{shard.stop}")
        self._note(f"made {shard.index}")
        advance(shard.n_items)
        return MadeShard((path,), (f"shard {shard.index % 2}",))

    def _meet(self, mishap: str) -> None:
        if mishap == "refused":
            raise ModelError("the model is no model; take another")
        if mishap == "bug":
            raise KeyError("nobody thought of this")
        if mishap == "mortal":
            os.kill(os.getpid(), signal.SIGKILL)
        happened = self.folder / f"{mishap}.happened"
        if mishap and not happened.exists():
            happened.touch()
            if mishap == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(3600)

    def _note(self, event: str) -> None:
        with (self.folder / "log").open("a") as log:
            log.write(f"{os.getpid()} {event}\n")


def events(folder: Path) -> list[list[str]]:
    """What workers noted: process, event, shard."""
    return [line.split() for line in (folder / "log").read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    """The shards and their sums."""
    return {path.name: path.read_bytes() for pattern in ("shard-*", "sha256-*") for path in folder.glob(pattern)}
