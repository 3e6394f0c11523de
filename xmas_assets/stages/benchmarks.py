"""A benchmark's official files read into tables: items with their images checked, and those that cannot be asked."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import IMAGE_MARK, Reason
from xmas_assets.data.benchmark_registration import PROMPT, BenchmarkRegistration
from xmas_assets.data.image_check import CheckedImage, ImageCheck
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.samples import SAMPLE_COLUMNS, Samples
from xmas_assets.data.validators import Rejection
from xmas_assets.evaluation.benchmarks.base import Files, Item
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.home.benchmarks import partition_of
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, stage
from xmas_assets.home.versions import benchmarks_version

_VERSION = "1"  # raised when the same files would give other items
_AT_ONCE = 1024
_TEXT = pa.string()
ITEMS_SCHEMA = pa.schema(
    [
        pa.field("sample_id", _TEXT, nullable=False),
        pa.field("task", _TEXT),
        pa.field("images", pa.list_(_TEXT), nullable=False),
        pa.field("image_hashes", pa.list_(_TEXT), nullable=False),
        pa.field("turns", pa.list_(pa.struct([("role", _TEXT), ("text", _TEXT)])), nullable=False),
        pa.field("question", _TEXT, nullable=False),
        pa.field("references", pa.list_(_TEXT), nullable=False),
        pa.field("categories", _TEXT, nullable=False),
        pa.field("details", _TEXT, nullable=False),
    ]
)
"""Columns of ``items``: those of samples, ``sample_id`` being the item's id, and what scores its answer, as JSON."""
REFUSED_SCHEMA = pa.schema([pa.field(name, _TEXT, nullable=False) for name in ("item_id", "reason", "detail")])
"""Columns of ``refused``: items that no model can be asked, and why."""


def benchmark_items(home: Home, name: str, *, progress: ProgressCallback | None = None) -> StoredTables:
    """The tables ``items`` and ``refused`` of a registered benchmark, which are made unless its files are as they were.

    Raises:
        SettingsError: If it is not registered.
        DatasetError: If its files are not in the official form, or no item can be asked.
    """
    registration = home.benchmarks.registration(name)
    key = combine(benchmarks_version(home, [name]), _VERSION)
    with home.shared_work("benchmark_items", partition_of(name), key) as workspace:
        if not any((workspace / "tables").glob("*.parquet")):
            return _read(workspace, home, registration, progress=progress)
        return StoredTables(workspace / "tables")


def samples_of(items: StoredTables) -> Samples:
    """The items as what a model is asked: a user turn, and an assistant turn to be filled in."""
    return Samples(items["items"].arrow(SAMPLE_COLUMNS))


def items_of(items: StoredTables) -> list[Item]:
    """The items as what their answers are scored with, in the order of ``samples_of``."""
    columns = ["sample_id", "question", "turns", "images", "references", "categories", "details"]
    return [
        Item(
            item_id=row["sample_id"],
            question=row["question"],
            prompt=row["turns"][0]["text"],
            images=tuple(row["images"]),
            references=tuple(row["references"]),
            categories=json.loads(row["categories"]),
            details=json.loads(row["details"]),
        )
        for row in items["items"].frame(columns).iter_rows(named=True)
    ]


def _read(
    workspace: Path, home: Home, registration: BenchmarkRegistration, *, progress: ProgressCallback | None
) -> StoredTables:
    registration.check_sources()
    files = Files(questions=registration.questions, annotations=registration.annotations, images=registration.images)
    items = benchmark_named(registration.form).read(files)
    images = ImageCheck(ImageRoot(registration.images, home.image_store()), home.image_store(), workers=1)
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    for start in range(0, len(items), _AT_ONCE):
        part = items[start : start + _AT_ONCE]
        images.prepare(image for item in part for image in item.images)
        for item in part:
            row = _row(item, [images.result(image) for image in item.images], prompt=registration.prompt)
            if isinstance(row, Rejection):
                refused.append({"item_id": item.item_id, "reason": row.reason.value, "detail": row.detail})
            else:
                rows.append(row)
        if progress is not None:
            progress(Progress(start + len(part), len(items)))
    if not rows:
        raise DatasetError(
            f"none of {len(items)} questions of benchmark {registration.name!r} can be asked; the first: "
            f"{refused[0]['detail']}; give the folder of its images by --images"
        )
    tables = {
        "items": pa.Table.from_pylist(rows, ITEMS_SCHEMA),
        "refused": pa.Table.from_pylist(refused, REFUSED_SCHEMA),
    }
    return stage(workspace, tables)


def _row(item: Item, checked: Sequence[CheckedImage | Rejection], *, prompt: str) -> dict[str, Any] | Rejection:
    """An item as a row of ``items``, or why it cannot be asked."""
    bad = next((image for image in checked if isinstance(image, Rejection)), None)
    if bad is not None:
        return bad
    if IMAGE_MARK in item.prompt:
        return Rejection(Reason.IMAGE_COUNT, f"the question holds {IMAGE_MARK!r}, which would stand for an image")
    # As LLaVA-1.5 is asked: the images first, each on a line.
    text = f"{IMAGE_MARK}\n" * len(checked) + prompt.replace(PROMPT, item.prompt)
    known = [image for image in checked if isinstance(image, CheckedImage)]
    return {
        "sample_id": item.item_id,
        "images": [image.ref for image in known],
        "image_hashes": [image.sha256 for image in known],
        "turns": [{"role": "user", "text": text}, {"role": "assistant", "text": ""}],
        "question": item.question,
        "references": list(item.references),
        "categories": json.dumps(dict(item.categories), sort_keys=True),
        "details": json.dumps(dict(item.details), sort_keys=True),
    }
