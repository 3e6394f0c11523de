"""Images of a list, looked at shard by shard. Loaded by each worker, so it loads little."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
from PIL import Image

from xmas_assets.contracts.errors import StoreError
from xmas_assets.data.image_check import CheckedImage, SeenImage, look_at
from xmas_assets.data.images import ImageRoot
from xmas_assets.scale.engines import Advance
from xmas_assets.scale.shards import Shard, shards_of_groups

_SHARD_SIZE = 512
_BLOCKS = 4  # of 16 MiB
_LISTED = pa.schema([pa.field("asked", pa.string(), nullable=False)])
_FOUND = pa.struct([("ref", pa.string()), ("sha256", pa.string()), ("notices", pa.list_(pa.string()))])
_SEEN = pa.schema([*_LISTED, pa.field("stamp", pa.string(), nullable=False), pa.field("found", _FOUND)])


def write_list(path: Path, references: Iterable[str]) -> None:
    """Write references to a file, in memory for one shard at a time."""
    left = iter(references)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, _LISTED) as writer:
        while asked := list(islice(left, _SHARD_SIZE)):
            writer.write_batch(pa.record_batch([pa.array(asked, pa.string())], schema=_LISTED))


def shards_of_list(path: Path) -> list[Shard]:
    """The shards of a list: its batches, in their order.

    Raises:
        StoreError: If the list is damaged.
    """
    try:
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            sizes = [reader.get_batch(index).num_rows for index in range(reader.num_record_batches)]
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"{path} is damaged; remove it, and run again: the images are then listed anew") from error
    return shards_of_groups(sizes, _SHARD_SIZE)


@dataclass(frozen=True)
class LookAtImages:
    """Looks at the images of a shard, and writes what was found; a ``WriteShard``.

    Attributes:
        listed: Of ``write_list``.
        root: The folder of the images.
    """

    listed: Path
    root: ImageRoot

    def __call__(self, shard: Shard, path: Path, advance: Advance) -> None:
        """Write the shard to this path."""
        with pa.memory_map(str(self.listed)) as file:
            references: list[str] = pa.ipc.open_file(file).get_batch(shard.index)["asked"].to_pylist()
        rows = []
        with _memory_kept():
            for ref in references:
                asked, stamp, found = look_at(self.root, ref)
                rows.append({"asked": asked, "stamp": stamp, "found": found and found._asdict()})
                advance(1)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, _SEEN) as writer:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=_SEEN))


@contextmanager
def _memory_kept() -> Iterator[None]:
    """Have Pillow use the memory of one image for the next: a third of the time goes into memory that is new."""
    before = Image.core.get_blocks_max()
    Image.core.set_blocks_max(_BLOCKS)
    try:
        yield
    finally:
        Image.core.set_blocks_max(before)


def seen_images(shards: Iterable[Path]) -> Iterator[SeenImage]:
    """What shards say of images, in the order of the list."""
    for path in shards:
        with pa.OSFile(str(path)) as file:
            for row in (row for batch in pa.ipc.open_stream(file) for row in batch.to_pylist()):
                found = row["found"]
                image = found and CheckedImage(found["ref"], found["sha256"], tuple(found["notices"]))
                yield SeenImage(row["asked"], row["stamp"], image)
