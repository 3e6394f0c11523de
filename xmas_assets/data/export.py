"""A subset of a dataset back in its users' form: the original records, unchanged and in their order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.data.conversion import convert_records
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.json_slices import RawSlice, line_slices, list_slices
from xmas_assets.data.parquet_records import parquet_batches, shared_schema
from xmas_assets.data.readers import Container, detect_container, read_records
from xmas_assets.data.registration import FORMATS, Registration
from xmas_assets.files.whole import file_sha256, replacing

Place = tuple[int, int]
"""``(source_file, source_row)`` as in the samples table."""

_SLICES: dict[Container, Callable[[Path], Iterator[RawSlice]]] = {"list": list_slices, "lines": line_slices}


def export_subset(
    registration: Registration,
    places: Iterable[Place],
    *,
    manifest: Manifest,
    to: Path,
    file_format: str | None = None,
) -> Path:
    """Write the selected records to ``to``, and the manifest beside it as ``<stem>.manifest.json``.

    Without a format the records are the source's own, byte for byte (Parquet: value for value), in the source's
    order. With one they are written anew from what was understood: id, turns, images and task; images that the
    source holds as bytes go to the folder ``<stem>_images`` beside a JSON file, which names them from there.

    Args:
        registration: The dataset.
        places: Which records; written in source order, whatever order they come in.
        manifest: What the subset is; its hashes of the source files are checked.
        to: File to write; an older one is replaced when the new one is complete.
        file_format: None for the source's own format, or ``llava_json, llava_jsonl, sharegpt, parquet``.

    Returns:
        Path of the manifest.

    Raises:
        DatasetError: If a source file is not the one that was read, a record is not there, or files of different
            formats would have to go into one file.
        ImageError: If an image that is to go into a Parquet file cannot be read.
    """
    if file_format is not None and file_format not in FORMATS:
        raise DatasetError(f"format {file_format!r} is not known; use one of {', '.join(FORMATS)}")
    _check_unchanged(registration, manifest)
    wanted = _by_file(registration, places)
    beside = to.with_name(f"{to.stem}.manifest.json")
    with replacing(beside) as manifest_file, replacing(to) as records_file:
        manifest_file.write_bytes(manifest.to_bytes())
        if file_format is None:
            n_written = _write_originals(registration.annotations, wanted, records_file)
        else:
            records = read_records(registration.annotations, registration.format)
            chosen = (record for record in records if record.source_row in wanted[record.source_file])
            n_written = convert_records(
                chosen,
                file_format,
                images=ImageRoot(registration.images),
                extracted=to.with_name(f"{to.stem}_images"),
                target=records_file,
            )
        n_wanted = sum(map(len, wanted))
        if n_written != n_wanted:
            raise DatasetError(f"{n_written} of {n_wanted} selected records are in the source; read the dataset again")
    return beside


def _by_file(registration: Registration, places: Iterable[Place]) -> list[set[int]]:
    wanted: list[set[int]] = [set() for _ in registration.annotations]
    for source_file, source_row in places:
        wanted[source_file].add(source_row)
    return wanted


def _check_unchanged(registration: Registration, manifest: Manifest) -> None:
    hashes = [file_sha256(path) for path in registration.annotations]
    expected = [file.sha256 for file in manifest.source_files]
    if hashes != expected:
        files = zip(registration.annotations, hashes, strict=True)
        changed = ", ".join(path.name for path, seen in files if seen not in expected)
        raise DatasetError(
            f"{changed or 'the list of source files'} changed since the dataset was read; "
            "restore it, or read the dataset and select again"
        )


def _write_originals(paths: Sequence[Path], wanted: Sequence[set[int]], target: Path) -> int:
    containers: set[Container] = {detect_container(path) for path in paths}
    if len(containers) > 1:
        raise DatasetError(
            f"the source files are of different formats ({', '.join(sorted(containers))}); name a format to export to"
        )
    container = containers.pop()
    if container == "parquet":
        return _write_parquet(paths, wanted, target)
    opening, between, closing = (b"[", b",\n", b"]\n") if container == "list" else (b"", b"\n", b"\n")
    n_written = 0
    with target.open("wb") as stream:
        stream.write(opening)
        for path, rows in zip(paths, wanted, strict=True):
            for row, piece in enumerate(_SLICES[container](path)):
                if row in rows:
                    stream.write(between if n_written else b"")
                    stream.write(piece.raw)
                    n_written += 1
        stream.write(closing)
    return n_written


def _write_parquet(paths: Sequence[Path], wanted: Sequence[set[int]], target: Path) -> int:
    n_written = 0
    with pq.ParquetWriter(target, shared_schema(tuple(paths))) as writer:
        for path, rows in zip(paths, wanted, strict=True):
            start = 0
            for batch in parquet_batches(path):
                chosen = [row - start for row in range(start, start + batch.num_rows) if row in rows]
                if chosen:
                    writer.write_batch(batch.take(pa.array(chosen)))
                start += batch.num_rows
                n_written += len(chosen)
    return n_written
