"""A dataset's files read into tables: its training and test rows, and its validation rows."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa

from xmas_assets.contracts.errors import NoRowsError, StoreError
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.data.ingest import Ingestion, ingest
from xmas_assets.data.tables import LOSS_WEIGHTS, TABLE_SCHEMAS
from xmas_assets.home.forgotten import read_forgotten
from xmas_assets.home.home import Home
from xmas_assets.home.seen_files import READ_BY, seen_files
from xmas_assets.home.stored_tables import StoredTables, note_sources, stage
from xmas_assets.scale.engines import SERIAL, Engine
from xmas_assets.scale.image_shards import seen_images
from xmas_assets.stages.image_work import ImageWork
from xmas_assets.stages.refused import forget_refused, keep_refused
from xmas_assets.stages.row_work import Listen
from xmas_assets.stages.used_images import remove_images

Section = Literal["source", "validation"]
_VALIDATION_SCHEMAS = {name: schema for name, schema in TABLE_SCHEMAS.items() if name != "test"}


def stage_dataset(
    workspace: Path,
    home: Home,
    dataset: str,
    *,
    section: Section = "source",
    progress: ProgressCallback,
    engine: Engine = SERIAL,
    listen: Listen | None = None,
) -> StoredTables:
    """Read and check the files of a section, and stage their tables; note these files and the images as they were read.

    Args:
        workspace: For the tables, and for shards of images.
        home: The platform's folder.
        dataset: A registered dataset.
        section: The training and test files, or the validation files.
        progress: Told how many records are read.
        engine: Who looks at the images, before the records are read, if that is done elsewhere or was begun in parts.
        listen: Gives a progress for that.

    Raises:
        DatasetError: If a file cannot be read at all, or there is none.
        NoRowsError: If no row is left; the refused ones are kept, for ``refused_rows``.
    """
    is_source, began_ns = section == "source", time.time_ns()
    registration = home.registration(dataset)
    if not is_source:
        registration = registration.of_validation()
    forgotten = read_forgotten(home.root, dataset)
    if not forgotten.is_done:
        raise StoreError(f"rows of {dataset} are not forgotten to the end; run: xmas dataset forget-rows {dataset}")
    # Before they are read, so that a change meanwhile counts as one.
    hashes = dict(zip((*registration.annotations, *registration.test), registration.source_hashes(), strict=True))
    work = ImageWork(registration, workspace)
    is_apart = work.has_folder and (engine.is_elsewhere or work.is_listed)
    seen = seen_images(work.make(engine, listen and listen("images"))) if is_apart else ()
    store = home.image_store()
    reading = _Reading(ingest(registration, image_store=store, progress=progress, forgotten=forgotten, seen=seen))
    metadata = note_sources({path: hashes[path] for path in registration.annotations}) if is_source else {}
    schemas = TABLE_SCHEMAS if is_source else _VALIDATION_SCHEMAS
    staged = stage(workspace, reading, schemas=schemas, optional=[LOSS_WEIGHTS], metadata=metadata)
    work.remove()
    remove_images(home, reading.records.images_of_forgotten, also_used=staged.values())
    if reading.problem is not None:
        keep_refused(home, READ_BY[section], dataset, staged=staged)
        raise NoRowsError(f"{reading.problem}; see: xmas dataset refused {dataset}")
    forget_refused(home, READ_BY[section], dataset)
    seen = seen_files(home, dataset, section)
    seen.records.note({str(path): sha256 for path, sha256 in hashes.items()}, began_ns=began_ns)
    seen.images.note(reading.records.image_hashes(), began_ns=began_ns)
    return staged


class _Reading:
    """One reading of files, which goes into tables to its end also where every record is refused: see ``problem``."""

    def __init__(self, records: Ingestion) -> None:
        self.records = records
        self.problem: NoRowsError | None = None

    def __iter__(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        try:
            yield from self.records
        except NoRowsError as error:
            self.problem = error
            yield "ledger", self.records.ledger.to_batch()
