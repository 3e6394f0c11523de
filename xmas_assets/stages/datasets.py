"""A dataset's files read into tables: its training and test rows, and its validation rows."""

from pathlib import Path

from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.data.ingest import ingest
from xmas_assets.data.tables import TABLE_SCHEMAS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, note_sources, stage

_VALIDATION_SCHEMAS = {name: schema for name, schema in TABLE_SCHEMAS.items() if name != "test"}


def stage_dataset(workspace: Path, home: Home, dataset: str, *, progress: ProgressCallback) -> StoredTables:
    """Read and check the training and test files, and stage their tables with a note of the training files.

    Raises:
        DatasetError: If a file cannot be read at all, or no row is left.
    """
    registration = home.registration(dataset)
    sources = note_sources(registration)  # before they are read, so that a change meanwhile counts as one
    records = ingest(registration, image_store=home.image_store(), progress=progress)
    return stage(workspace, records, schemas=TABLE_SCHEMAS, metadata=sources)


def stage_validation(workspace: Path, home: Home, dataset: str, *, progress: ProgressCallback) -> StoredTables:
    """Read and check the validation files, and stage their tables.

    Raises:
        DatasetError: If there are none, a file cannot be read at all, or no row is left.
    """
    registration = home.registration(dataset).of_validation()
    records = ingest(registration, image_store=home.image_store(), progress=progress)
    return stage(workspace, records, schemas=_VALIDATION_SCHEMAS)
