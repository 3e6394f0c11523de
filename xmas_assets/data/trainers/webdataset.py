"""WebDataset: TAR shards, the files of a row next to each other under one key.

A key must hold no dot, since the ending of a file's name begins at the first one; so keys are numbers, and the ids
stand in the JSON. Nothing but the content decides the bytes of a shard.
"""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from xmas_assets.data.trainers.features import Feature
from xmas_assets.data.trainers.hf import dataset_head
from xmas_assets.data.trainers.pictures import suffix_of
from xmas_assets.data.trainers.rows import Row, Rows, WeightField
from xmas_assets.data.trainers.tool import Guide, Tool

SHARD_BYTES = 1_000_000_000


def _write(rows: Rows, folder: Path) -> Guide:
    endings: set[str] = set()
    samples = (_files(row, rows.weight) for row in rows)
    n_shards = _write_shards(samples, folder, rows.name, endings)
    last = f"{n_shards - 1:06}"
    record = rows.features(messages=rows.messages(), images=["string"])
    features: dict[str, Feature] = {
        **dict.fromkeys(sorted(endings), "image"),
        "json": record,
        "__key__": "string",
        "__url__": "string",
    }
    return Guide(
        f"""```python
import webdataset

shards = "{rows.folder}/{rows.name}-{{000000..{last}}}.tar"
train = webdataset.WebDataset(shards, shardshuffle=False).decode("pil")
```

Each row is a JSON, whose `images` names the endings of its pictures in the order of the `<image>` marks, and the
pictures: `jpg` if there is one, `0.jpg`, `1.jpg` and so on if there are several. `datasets.load_dataset("FOLDER")`
reads the folder too; what a row does not have is None there.""",
        dataset_head(rows, features, folder, files=f"{rows.name}-*.tar"),
    )


def _files(row: Row, weight: WeightField | None) -> dict[str, bytes]:
    """A row's files by the ending of their names, the record first."""
    pictures = [picture.data() for picture in row.pictures]
    endings = [suffix_of(data) for data in pictures]
    if len(pictures) > 1:
        endings = [f"{index}.{ending}" for index, ending in enumerate(endings)]
    record: dict[str, Any] = {"messages": row.messages(weight), "images": endings, **row.columns}
    return {"json": orjson.dumps(record), **dict(zip(endings, pictures, strict=True))}


def _write_shards(samples: Iterator[dict[str, bytes]], folder: Path, name: str, endings: set[str]) -> int:
    """Write samples to shards that end with the first sample that fills them; returns how many."""
    n_shards, key = 0, 0
    sample = next(samples, None)
    while sample is not None:
        with tarfile.open(folder / f"{name}-{n_shards:06}.tar", "w", format=tarfile.USTAR_FORMAT) as shard:
            while sample is not None and shard.offset < SHARD_BYTES:
                endings.update(ending for ending in sample if ending != "json")
                for ending, data in sample.items():
                    entry = tarfile.TarInfo(f"{key:09}.{ending}")  # no time, owner or name of this machine
                    entry.size, entry.mode = len(data), 0o644
                    shard.addfile(entry, io.BytesIO(data))
                key += 1
                sample = next(samples, None)
        n_shards += 1
    return n_shards


WEBDATASET = Tool(
    "webdataset",
    "WebDataset",
    _write,
    image_files=("embed",),
    taken=frozenset({"messages", "images", "json"}),
    weight=WeightField("weight", "float64"),
)
