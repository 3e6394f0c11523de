"""A benchmark's official files read into tables: items with their images checked, and those that cannot be asked."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import IMAGE_MARK, Reason, Sample, Turn
from xmas_assets.data.benchmark_registration import PROMPT, BenchmarkRegistration
from xmas_assets.data.image_check import CheckedImage, ImageCheck
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.refusals import Rejection
from xmas_assets.data.samples import SAMPLE_COLUMNS, Samples
from xmas_assets.evaluation.benchmarks.base import Files, Item
from xmas_assets.evaluation.benchmarks.family_prompts import family_prompt
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.home.benchmarks import ITEMS, partition_of
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, stage
from xmas_assets.home.versions import items_version
from xmas_assets.report.sheets import cluster_sample_figure

_VERSION = "1"  # raised when the same files would give other items
_AT_ONCE = 1024
_PER_ROW = 4  # items of a sheet
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
    key = combine(items_version(home, name), _VERSION)
    with home.shared_work(ITEMS, partition_of(name), key) as workspace:
        if not any((workspace / "tables").glob("*.parquet")):
            return _read(workspace, home, registration, progress=progress)
        return StoredTables(workspace / "tables")


def official_items(registration: BenchmarkRegistration) -> list[Item]:
    """All items of the official files, in their order, whether they can be asked or not.

    Raises:
        DatasetError: If a file is not there, or not in the official form.
    """
    registration.check_sources()
    files = Files(questions=registration.questions, annotations=registration.annotations, images=registration.images)
    return benchmark_named(registration.form).read(files)


def samples_of(items: StoredTables) -> Samples:
    """The items as what a model is asked: a user turn, and an assistant turn to be filled in."""
    return Samples(items["items"].arrow(SAMPLE_COLUMNS), stored=items["items"].path)


def asked_samples(items: StoredTables, registration: BenchmarkRegistration, *, family: str) -> Sequence[Sample]:
    """The items as a model of a family is asked them, in the order of ``samples_of``.

    Args:
        items: The tables of the benchmark.
        registration: Whose prompts are used.
        family: The model type in the model's config.

    Raises:
        SettingsError: If the family's own prompt is wanted, and not known.
    """
    samples = samples_of(items)
    if registration.prompt_style == "llava":
        return samples
    prompt = family_prompt(family, registration.form)
    texts = (
        question_text(registration, prompt.of(item), n_images=len(sample.images))
        for item, sample in zip(items_of(items), samples, strict=True)
    )
    return [
        replace(sample, turns=(Turn("user", text), *sample.turns[1:]))
        for sample, text in zip(samples, texts, strict=True)
    ]


def family_at(base: Path) -> str:
    """The model type in the config of a model's directory."""
    from xmas_assets.vlm.configs import read_config

    return read_config(base).model_type


def question_text(registration: BenchmarkRegistration, prompt: str, *, n_images: int) -> str:
    """What a model is told: as LLaVA-1.5 is, the images first, each on a line."""
    return f"{IMAGE_MARK}\n" * n_images + registration.prompt.replace(PROMPT, prompt)


def items_of(items: StoredTables) -> list[Item]:
    """The items as what their answers are scored with, in the order of ``samples_of``."""
    columns = ["sample_id", "question", "turns", "images", "references", "categories", "details"]
    # Held once each: of hundreds of thousands of items, most have the same few.
    once = lru_cache(maxsize=100_000)(lambda text: text)
    read = lru_cache(maxsize=10_000)(json.loads)
    return [
        Item(
            item_id=row["sample_id"],
            question=row["question"],
            prompt=row["turns"][0]["text"],
            images=tuple(row["images"]),
            references=tuple(map(once, row["references"])),
            categories=read(row["categories"]),
            details=read(row["details"]),
        )
        for batch in items["items"].batches(columns)
        for row in batch.to_pylist()
    ]


def first_images(items: StoredTables) -> dict[str, str]:
    """Content hash of the first image by item id; items without image are not in it."""
    once = lru_cache(maxsize=100_000)(lambda text: text)
    batches = items["items"].batches(["sample_id", "image_hashes"])
    pairs = (pair for batch in batches for pair in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return {item: once(hashes[0]) for item, hashes in pairs if hashes}


def item_sheet(home: Home, name: str, count: int) -> bytes:
    """A picture (PNG) of a benchmark's first items: the first image of each, its question and its right answers."""
    tables = benchmark_items(home, name)
    open_image = home.benchmarks.open_image(name)
    shown = [
        (
            open_image(sample.images[0], sample.image_hashes[0]) if sample.images else None,
            " / ".join([item.question, *dict.fromkeys(item.references)]),
        )
        for item, sample in zip(items_of(tables)[:count], samples_of(tables)[:count], strict=True)
    ]
    rows = [shown[first : first + _PER_ROW] for first in range(0, len(shown), _PER_ROW)]
    return cluster_sample_figure([(name if not number else "", row) for number, row in enumerate(rows)])


def _read(
    workspace: Path, home: Home, registration: BenchmarkRegistration, *, progress: ProgressCallback | None
) -> StoredTables:
    began_ns = time.time_ns()
    items = official_items(registration)
    images = ImageCheck(ImageRoot(registration.images, home.image_store()), home.image_store(), workers=1)
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    for start in range(0, len(items), _AT_ONCE):
        part = items[start : start + _AT_ONCE]
        images.prepare(image for item in part for image in item.images)
        for item in part:
            row = _row(item, [images.result(image) for image in item.images], registration=registration)
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
    home.benchmarks.images(registration.name).note(_hashes(items, images), began_ns=began_ns)
    return stage(workspace, tables)


def _hashes(items: Sequence[Item], images: ImageCheck) -> dict[str, str]:
    """SHA-256 of the image files by their names, "" where one cannot be used."""
    names = dict.fromkeys(image for item in items for image in item.images if isinstance(image, str))
    checked = {name: images.result(name) for name in names}
    return {name: image.sha256 if isinstance(image, CheckedImage) else "" for name, image in checked.items()}


def _row(
    item: Item, checked: Sequence[CheckedImage | Rejection], *, registration: BenchmarkRegistration
) -> dict[str, Any] | Rejection:
    """An item as a row of ``items``, or why it cannot be asked."""
    bad = next((image for image in checked if isinstance(image, Rejection)), None)
    if bad is not None:
        return bad
    if IMAGE_MARK in item.prompt:
        return Rejection(Reason.IMAGE_COUNT, f"the question holds {IMAGE_MARK!r}, which would stand for an image")
    prompt = item.question if registration.answering == "likelihood" else item.prompt
    text = question_text(registration, prompt, n_images=len(checked))
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
