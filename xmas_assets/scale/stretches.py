"""Rows that came to a dataset together are read together: what was made of them stays when others are appended.

A stretch is the rows of one such time. Its shards are cut and keyed as if there were no other rows, but for where it
begins; so those of an earlier state of the dataset are found, by their key, wherever they lie.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from xmas_assets.scale.engines import Engine
from xmas_assets.scale.shards import Shard, join_shards, key_of, lies_at, open_shards

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Growth:
    """How a dataset came to its rows.

    Attributes:
        counts: How many rows it had each time before others were appended, ascending.
        kept: Folder below which, up to three levels deep, shards of its earlier states lie; None to look nowhere.
    """

    counts: tuple[int, ...] = ()
    kept: Path | None = None

    def stretches(self, n_rows: int) -> list[range]:
        """The rows that came together, in order; without growth all rows are one stretch.

        Example:
            >>> Growth((3, 5, 9)).stretches(7)
            [range(0, 3), range(3, 5), range(5, 7)]
        """
        bounds = [0, *(count for count in self.counts if count < n_rows), n_rows]
        return [range(start, stop) for start, stop in pairwise(bounds)]

    def piece(self, number: int, directory: Path, shards: list[Shard], key: str, *, start: int) -> "Piece":
        """The shards of a stretch, where they lie already or else are to be made.

        Args:
            number: Of the stretch, from 0.
            directory: For the shards of all stretches.
            shards: Of the stretch alone, counted from its first item.
            key: All that they depend on but their bounds.
            start: The stretch's first item among all.
        """
        place = directory if number == 0 else directory / f"stretch-{number}"
        whole = key_of(key, shards)
        if self.counts and self.kept is not None and not lies_at(place, whole):
            found = (path.parent for path in _key_files(self.kept) if lies_at(path.parent, whole))
            place = next(found, place)
        return Piece(place, shards, key, start)


NO_GROWTH = Growth()


@dataclass(frozen=True)
class Piece:
    """Shards that are ready or to be made in one folder.

    Attributes:
        directory: Theirs alone.
        shards: Counted from the piece's first item.
        key: All that they depend on but their bounds.
        start: The piece's first item among all.
    """

    directory: Path
    shards: list[Shard]
    key: str
    start: int = 0


def open_pieces(pieces: Sequence[Piece], *, engine: Engine, name: str = "") -> dict[Shard, Path]:
    """Make folders ready for shards, and give each shard's file, those of all pieces counted on.

    Args:
        pieces: In the order of their items.
        engine: The coordinator clears folders of others' shards, who else makes shards does not.
        name: Of what is made, to say how much of it is there; "" to say nothing.

    Raises:
        StoreError: If shards of other inputs lie where only the coordinator may clear.
    """
    ready = open_shards if engine.is_coordinator else join_shards
    files = dict(_files((piece, ready(piece.directory, piece.shards, key=piece.key)) for piece in pieces))
    if name and len(pieces) > 1:
        n_lacking = sum(shard.n_items for shard, path in files.items() if not path.exists())
        n_items = sum(shard.n_items for shard in files)
        _LOG.warning(
            "%s: %d of %d rows were read before and are kept, %d to read", name, n_items - n_lacking, n_items, n_lacking
        )
    return files


def _files(opened: Iterator[tuple[Piece, list[Path]]]) -> Iterator[tuple[Shard, Path]]:
    index = 0
    for piece, paths in opened:
        for shard, path in zip(piece.shards, paths, strict=True):
            yield Shard(index, piece.start + shard.start, piece.start + shard.stop), path
            index += 1


def folders_of(files: Mapping[Shard, Path]) -> list[Path]:
    """The folders that shards lie in, each once."""
    return list(dict.fromkeys(path.parent for path in files.values()))


def _key_files(kept: Path) -> list[Path]:
    return sorted(path for depth in ("*", "*/*", "*/*/*") for path in kept.glob(f"{depth}/shards.key"))
