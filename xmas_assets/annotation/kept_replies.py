"""Replies of a judge on disk, by what it was asked: each a small Parquet file at first, later one file of all."""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import parquet

from xmas_assets.files.whole import replacing

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("reply", pa.string(), nullable=False),
        pa.field("n_asked", pa.int64(), nullable=False),
        pa.field("replied_as", pa.string(), nullable=False),
    ]
)
_ALL = "replies.parquet"


class KeptReply(NamedTuple):
    """The reply that counts, how often the judge was asked for it, and who the endpoint said had replied."""

    reply: str
    n_asked: int
    replied_as: str


class KeptReplies:
    """The replies in a folder; one process at a time may add, from several threads.

    Args:
        folder: It is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._replies: dict[str, KeptReply] = {}
        for path in sorted(folder.glob("*.parquet")):
            for row in parquet.read_table(path).to_pylist():
                self._replies[row["key"]] = KeptReply(row["reply"], row["n_asked"], row["replied_as"])

    def __contains__(self, key: str) -> bool:
        return key in self._replies

    def __getitem__(self, key: str) -> KeptReply:
        return self._replies[key]

    def add(self, key: str, reply: KeptReply) -> None:
        """Keep a reply; it is on disk when this returns."""
        self._replies[key] = reply
        self._write(f"{key}.parquet", [key])

    def merge(self) -> None:
        """Put all replies into one file, in the order of their keys."""
        self._write(_ALL, sorted(self._replies))
        for path in self._folder.glob("*.parquet"):
            if path.name != _ALL:
                path.unlink()

    def _write(self, name: str, keys: list[str]) -> None:
        rows = [{"key": key, **self._replies[key]._asdict()} for key in keys]
        with replacing(self._folder / name) as unfinished:
            parquet.write_table(pa.Table.from_pylist(rows, _SCHEMA), unfinished)
