"""A dataset with every trap that programs have, read, and exported for them."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from xmas_assets.data.images import ImageRoot
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.registration import Registration
from xmas_assets.data.trainers.export import Exported, Subset, export_for
from xmas_assets.data.trainers.registry import TOOLS
from xmas_assets_tests.data.making import manifest_of, picture, read, record, talk, write

PICTURES = {
    "a.png": picture("red", size=(32, 24)),
    "deep/b c.jpg": picture("green", size=(24, 40), kind="JPEG"),
    "dots.in.name.webp": picture("blue", size=(28, 28), kind="WEBP"),
}
RECORDS = [
    record(id="text.only", conversations=talk("Hello", "Good day."), source="chat", level=3, boxes=[[1, 2], []]),
    record(id="one/1", image="a.png", conversations=talk("<image>\nWhat?", "A cat."), task="vqa", level=None),
    record(
        id="two",
        image=["a.png", "deep/b c.jpg"],
        conversations=[
            {"from": "system", "value": "Be brief."},
            *talk("<image>\n<image>\nAlike?", "No, \u2603 & 'x'.", "Sure?", "Yes."),
        ],
        source="pairs",
        level=7,
        score="theirs",
        mixed=1,
    ),
    record(id="mid", image="dots.in.name.webp", conversations=talk("Is <image> blue?", "Yes"), mixed="one", label="x"),
    record(id="video", image="a.png", conversations=talk("<image>\nWhat does <video> mean?", "A tag."), level=1),
    record(id="last", image="deep/b c.jpg", conversations=talk("What is it?\n<image>", "Green."), source="x"),
]
NAME = "made_random_b0.20_s0"
IDS = ["text.only", "one/1", "two", "mid", "video", "last"]

IMAGES = {
    "text.only": [],
    "one/1": ["a.png"],
    "two": ["a.png", "deep/b c.jpg"],
    "mid": ["dots.in.name.webp"],
    "video": ["a.png"],
    "last": ["deep/b c.jpg"],
}


class TrapDataset:
    """The dataset, registered, with its tables in memory."""

    def __init__(self, root: Path, records: list[dict[str, Any]] = RECORDS) -> None:
        for name, data in PICTURES.items():
            write(root / "pictures", data, name)
        source = write(root, records, "train.json")
        self._read(Registration.create("made", [source], images=root / "pictures"), root)

    @classmethod
    def of(cls, registration: Registration, root: Path) -> "TrapDataset":
        """The same of another registration; pictures that it holds as bytes are stored below ``root``."""
        made = cls.__new__(cls)
        made._read(registration, root)
        return made

    def _read(self, registration: Registration, root: Path) -> None:
        self.root, self.registration, self.store = root, registration, root / "store"
        self.rows = read(registration, image_store=self.store).samples
        self.inputs = Inputs([registration])
        self.manifest = manifest_of(registration)

    def export(self, name: str, to: Path, *, scores: bool = False, rows: slice = slice(None), **options) -> Exported:
        chosen = self.rows[rows]
        manifest = self.manifest.model_copy(
            update={
                "n_selected": len(chosen),
                "rows": tuple(row["row"] for row in chosen),
                "sample_ids": tuple(row["sample_id"] for row in chosen),
            }
        )
        standing = {
            "score": ("float64", [0.5 * row["row"] if row["row"] else None for row in chosen]),
            "rank": ("int64", [9 - row["row"] if row["row"] else None for row in chosen]),
        }
        subset = Subset(
            NAME,
            self.registration,
            manifest,
            lambda: iter(chosen),
            ImageRoot(self.registration.images, self.store),
            standing if scores else {},
        )
        return export_for(subset, TOOLS[name], to=to, inputs=self.inputs, **options)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(path: Path) -> list[dict]:
    return pq.ParquetFile(path).read().to_pylist()


def named_pictures(tool: str, out: Path) -> list[list[str]]:
    """By row, the paths of its pictures as the file has them, read as the tool reads it."""
    if tool == "llava":
        records = read_json(out / f"{NAME}.json")
        return [[row["image"]] if isinstance(row.get("image"), str) else row.get("image", []) for row in records]
    if tool == "openai":
        lines = (out / f"{NAME}.jsonl").read_text().splitlines()
        turns = [[turn["content"] for turn in json.loads(line)["messages"]] for line in lines]
        parts = [[part for content in row if isinstance(content, list) for part in content] for row in turns]
        return [[part["image_url"]["url"] for part in row if part["type"] == "image_url"] for row in parts]
    rows = rows_of(out / f"{NAME}.parquet")
    if tool == "axolotl":
        parts = [[part for turn in row["messages"] for part in turn["content"]] for row in rows]
        return [[part["path"] for part in row if part["type"] == "image"] for row in parts]
    return [row["images"] for row in rows]
