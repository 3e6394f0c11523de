"""A user's annotation files as checked samples in memory, without a home."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import one_of
from xmas_assets.data.ingest import ingest
from xmas_assets.data.registration import FORMATS, Registration
from xmas_assets.data.samples import Samples
from xmas_assets.data.tables import QUARANTINE_SCHEMA


@dataclass(frozen=True)
class LoadedDataset:
    """What was read of a dataset; every record is in one of the two.

    Attributes:
        samples: Checked samples, in the order of the records; ``samples[i]`` is row i of what ``select`` returns.
        quarantine: The records that cannot be used: ``source_file``, ``source_row`` (from 0), ``source_id``, ``reason``
            (a code), ``detail`` and the start of the record as text (``raw``).
        notices: What is worth knowing of accepted records, as counts by kind (``repeated_id``, ``text_only``, ...).
    """

    samples: Samples
    quarantine: pl.DataFrame
    notices: dict[str, int]


def load_dataset(
    annotations: str | Path | Sequence[str | Path],
    *,
    images: str | Path | None = None,
    format: str | None = None,  # noqa: A002
    image_store: str | Path | None = None,
    workers: int = 1,
) -> LoadedDataset:
    """Read and check a dataset's records.

    Args:
        annotations: One annotation file, or several in order: LLaVA JSON or JSONL, ShareGPT/``messages``, Parquet.
        images: Folder that image references are relative to.
        format: One of ``FORMATS``; recognised file by file if left out.
        image_store: Folder that takes images which the records carry as bytes (Parquet); only such records need it.
        workers: Threads that read and decode images; the result does not depend on it.

    Returns:
        Samples with unique ids, and the records that were refused.

    Raises:
        DatasetError: If a file cannot be read as a whole, holds no records, or has only bad ones.
        SettingsError: If a path or the format is not allowed.
    """
    if format not in (None, *FORMATS):
        raise SettingsError(f"format {format!r} is not known; {one_of(format, FORMATS)}")
    paths = [annotations] if isinstance(annotations, str | Path) else annotations
    registration = Registration.create("loaded", [Path(path) for path in paths], images=images, format=format)
    store = None if image_store is None else Path(image_store)
    reading = ingest(registration, workers=workers, image_store=store)
    batches: dict[str, list[pa.RecordBatch]] = {"samples": [], "quarantine": []}
    for table, batch in reading:
        if table in batches:
            batches[table].append(batch)
    samples = pa.Table.from_batches(batches["samples"])  # at least one, or reading is refused
    quarantine = pa.Table.from_batches(batches["quarantine"], schema=QUARANTINE_SCHEMA)
    frame = pl.from_arrow(quarantine)
    assert isinstance(frame, pl.DataFrame)
    return LoadedDataset(Samples(samples), frame.drop("split"), dict(reading.ledger.notices))
