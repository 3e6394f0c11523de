"""A registered dataset into checked tables, in a stream: rows in = rows out + quarantined, always."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.forgotten import NOTHING_FORGOTTEN, Forgotten
from xmas_assets.data.image_archives import ImageArchive
from xmas_assets.data.image_check import CheckedImage, ImageCheck, SeenImage
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.ledger import Ledger
from xmas_assets.data.quarantine import Refusals, quarantine_row
from xmas_assets.data.readers import read_records
from xmas_assets.data.refusals import Rejection
from xmas_assets.data.registration import Registration
from xmas_assets.data.sample_ids import SampleIds
from xmas_assets.data.tables import LOSS_WEIGHTS, QUARANTINE_SCHEMA, SAMPLES_SCHEMA, WEIGHTED_SCHEMA, sample_batch
from xmas_assets.data.task_rules import with_task
from xmas_assets.data.validators import Draft, validate

_BATCH_ROWS = 1024
_BATCH_BYTES = 64 * 1024 * 1024


def ingest(
    registration: Registration,
    *,
    workers: int = 1,
    image_store: Path | None = None,
    progress: ProgressCallback | None = None,
    scratch: Path | None = None,
    forgotten: Forgotten = NOTHING_FORGOTTEN,
    seen: Iterable[SeenImage] = (),
) -> "Ingestion":
    """Read, validate and number a dataset's records.

    Args:
        registration: Where the dataset is.
        workers: Threads that read and decode images; the result does not depend on it.
        image_store: Folder that takes images which the source carries as bytes, or in an archive.
        progress: Called now and then; counts the records of each split from 0.
        scratch: Folder for a temporary file of about the annotations' size; default the system's.
        forgotten: Rows that are set aside, and of which nothing is kept.
        seen: Of ``image_references``, all or the first ones, what ``look_at`` gave; the result does not depend on it.

    Returns:
        An iterable of ``(table name, batch)`` with the tables ``samples``, ``test``, ``quarantine`` and, last,
        ``ledger``; its attribute ``ledger`` is complete when the iteration has ended.

    Raises:
        DatasetError: If an archive of images cannot be read. While iterating, if a file cannot be read as a whole, or
            holds no records.
        NoRowsError: At the end of the quarantine of a split that has only bad records.
    """
    root = ImageRoot(registration.images, image_store)
    archive = registration.image_archive()
    images = ImageCheck(root, image_store, workers=workers, archive=archive and ImageArchive(archive), seen=seen)
    return Ingestion(registration, images, progress or (lambda progress: None), scratch, forgotten)


def image_references(registration: Registration) -> Iterator[str]:
    """References to images in a dataset's folder, each once, in the order in which ``ingest`` looks at them.

    No image is opened. The last one is that before a file that cannot be read.
    """
    listed: set[str] = set()
    with suppress(DatasetError):  # raised by ``ingest``, in its turn
        for paths in (registration.annotations, registration.test):
            for record in read_records(paths, registration.format, registration.columns):
                draft = validate(record, registration.columns)
                for image in draft.images if isinstance(draft, Draft) else ():
                    if isinstance(image, str) and image not in listed:
                        listed.add(image)
                        yield image


class Ingestion:
    """One reading of a dataset; see ``ingest``. Can be iterated once."""

    def __init__(
        self,
        registration: Registration,
        images: ImageCheck,
        progress: ProgressCallback,
        scratch: Path | None,
        forgotten: Forgotten,
    ) -> None:
        self.ledger = Ledger()
        self._forgotten = forgotten
        #: References of the images of forgotten rows, some of which others may have too.
        self.images_of_forgotten: set[str] = set()
        self._registration = registration
        self._root = ImageRoot(registration.images)
        self._images = images
        self._progress = progress
        self._scratch = scratch

    def __iter__(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        self._registration.check_sources()
        yield from self._read_split("samples", self._registration.annotations)
        if self._registration.test:
            yield from self._read_split("test", self._registration.test)
        self.ledger.notices.update(self._images.notices())
        self.ledger.notices = +self.ledger.notices  # only what was seen
        yield "ledger", self.ledger.to_batch()

    def image_hashes(self) -> dict[str, str]:
        """SHA-256 (hex) of the image files that were read, by reference; "" of one that was refused."""
        return self._images.file_hashes()

    def _read_split(self, split: str, paths: tuple[Path, ...]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Check all rows into a temporary file, and read it back with ids that are unique over all of them."""
        ids = SampleIds()
        seen: set[bytes] | None = set() if self._registration.duplicates == "quarantine" else None
        records = read_records(paths, self._registration.format, self._registration.columns)
        schema = SAMPLES_SCHEMA
        refusals = Refusals(where="annotations" if split == "samples" else "test", paths=paths)
        with tempfile.TemporaryFile(dir=self._scratch) as spool:
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.ipc.new_stream(spool, WEIGHTED_SCHEMA, options=options) as writer:
                while chunk := _next_chunk(records):
                    accepted, refused = self._check(split, chunk, ids, seen)
                    refusals.note(refused)
                    writer.write_batch(accepted)
                    if accepted[LOSS_WEIGHTS.name].null_count < accepted.num_rows:
                        schema = WEIGHTED_SCHEMA
                    if refused.num_rows:
                        yield "quarantine", refused
                    self._progress(Progress(self.ledger.rows_in[split]))
            refusals.check_some_left(self.ledger.rows_in[split], images=self._registration.images)
            yield from self._numbered(split, spool, ids, schema)
        self.ledger.reasons += refusals.reasons
        self.ledger.notices["repeated_id"] += ids.n_repeated_ids
        self.ledger.notices["same_content"] += ids.n_same_content

    def _check(
        self, split: str, chunk: list[RawRecord], ids: SampleIds, seen: set[bytes] | None
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        accepted: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        drafts = [self._draft(record) for record in chunk]
        self._images.prepare(ref for draft in drafts if isinstance(draft, Draft) for ref in draft.images)
        for record, draft in zip(chunk, drafts, strict=True):
            row = draft if isinstance(draft, Rejection) else self._row(record, draft)
            if isinstance(row, dict) and self._forgotten and (rejection := self._forgotten.rejection(row)):
                self.images_of_forgotten |= set(row["images"])
                row = rejection
            if isinstance(row, dict) and seen is not None:
                row = _refuse_repetition(row, seen)
            if isinstance(row, Rejection):
                refused.append(quarantine_row(split, record, row))
            else:
                row["sample_id"] = ids.note(row["source_id"], row["digest"])
                self.ledger.notices["generated_id"] += row["source_id"] is None
                self.ledger.notices["text_only"] += row["n_images"] == 0
                accepted.append(row)
                if isinstance(draft, Draft) and draft.notices:
                    self.ledger.note(draft.notices)
        self.ledger.rows_in[split] += len(chunk)
        self.ledger.quarantined[split] += len(refused)
        return sample_batch(accepted), pa.RecordBatch.from_pylist(refused, schema=QUARANTINE_SCHEMA)

    def _draft(self, record: RawRecord) -> Draft | Rejection:
        draft = validate(record, self._registration.columns)
        if isinstance(draft, Rejection):
            return draft
        return with_task(draft, self._registration.task_from, root=self._root)

    def _row(self, record: RawRecord, draft: Draft) -> dict[str, Any] | Rejection:
        images: list[CheckedImage] = []
        for result in map(self._images.result, draft.images):
            if isinstance(result, Rejection):
                return result
            images.append(result)
        hashes = [image.sha256 for image in images]
        turns = [(turn.role, turn.text) for turn in draft.turns]
        content = [draft.task, turns, hashes, *([draft.loss_weights] if draft.loss_weights else [])]
        return {
            "row": 0,
            "source_id": draft.source_id,
            "source_file": record.source_file,
            "source_row": record.source_row,
            "task": draft.task,
            "images": [image.ref for image in images],
            "image_hashes": hashes,
            "turns": turns,
            "n_turns": sum(turn.role == "assistant" for turn in draft.turns),
            "n_images": len(images),
            "digest": hashlib.sha256(orjson.dumps(content)).hexdigest(),
            LOSS_WEIGHTS.name: draft.loss_weights or None,
        }

    def _numbered(
        self, split: str, spool: IO[bytes], ids: SampleIds, schema: pa.Schema
    ) -> Iterator[tuple[str, pa.RecordBatch]]:
        spool.seek(0)
        for batch in pa.ipc.open_stream(spool):
            n_before = self.ledger.rows_out[split]
            rows = pa.array(range(n_before, n_before + batch.num_rows), pa.int64())
            pairs = zip(batch["sample_id"].to_pylist(), batch["digest"].to_pylist(), strict=True)
            sample_ids = pa.array([ids.assign(base_id, digest) for base_id, digest in pairs], pa.string())
            columns = [rows, sample_ids, *batch.columns[2 : len(schema)]]
            self.ledger.rows_out[split] += batch.num_rows
            if batch.num_rows:
                yield split, pa.RecordBatch.from_arrays(columns, schema=schema)


def _next_chunk(records: Iterator[RawRecord]) -> list[RawRecord]:
    """The next records, at most 1,024 and not much more than 64 MiB."""
    chunk, n_bytes = [], 0
    for record in islice(records, _BATCH_ROWS):
        chunk.append(record)
        n_bytes += record.n_bytes
        if n_bytes > _BATCH_BYTES:
            break
    return chunk


def _refuse_repetition(row: dict[str, Any], seen: set[bytes]) -> dict[str, Any] | Rejection:
    key = hashlib.sha256(orjson.dumps([row["source_id"], row["digest"]])).digest()[:16]
    if key in seen:
        return Rejection(Reason.DUPLICATE, "id and content equal those of an earlier record")
    seen.add(key)
    return row
