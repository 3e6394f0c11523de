"""The samples of a dataset from its stored tables."""

from collections.abc import Sequence

import pyarrow as pa

from xmas_assets.contracts.errors import DatasetError, StoreError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.data.mapped_tables import read_table
from xmas_assets.data.samples import DIGEST_COLUMNS, Samples, dataset_digest, sample_columns
from xmas_assets.data.tables import SAMPLES_SCHEMA
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.home.stored_assets import StoredAssets
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.store.reading import Table, reading

CONTENT = "content"
"""Work whose result is the hash of a dataset's content."""


def require_read(home: StoredAssets, dataset: str) -> None:
    """Refuse a dataset that was not read yet; ``StoreError``."""
    if not home.is_stored("raw_dataset", dataset):
        raise StoreError(f"{dataset} was not read yet; {how_to_make('raw_dataset', dataset=dataset)}")


def training_samples(raw_dataset: StoredTables) -> Samples:
    """The training pool, in row order."""
    table = raw_dataset["samples"]
    return Samples(sample_table(table, sample_columns(table.columns)), stored=table.path)


def pictured_samples(raw_dataset: StoredTables) -> Samples:
    """The training pool, in row order, for work that follows attention to images.

    Raises:
        DatasetError: If no row has an image; raised before anything is trained.
    """
    if not raw_dataset["samples"].column("n_images").any():
        raise DatasetError(
            f"none of {raw_dataset['samples'].n_rows} rows has an image, so there is no attention to images to "
            "follow; use a method that needs no proxy, such as random"
        )
    return training_samples(raw_dataset)


def held_out_questions(raw_dataset: StoredTables) -> Samples:
    """The test questions; none if the dataset was registered without a test set."""
    if "test" not in raw_dataset:
        return Samples(SAMPLES_SCHEMA.empty_table())
    table = raw_dataset["test"]
    return Samples(sample_table(table, sample_columns(table.columns)), stored=table.path)


def content_digest(raw_dataset: StoredTables) -> str:
    """Hex SHA-256 of the training pool's content, whatever the order of its rows."""
    return dataset_digest(sample_table(raw_dataset["samples"], DIGEST_COLUMNS))


def kept_content_digest(home: Home, dataset: str) -> str:
    """As ``content_digest`` of what is stored, computed once for each reading of the dataset."""
    raw = home.stored("raw_dataset", dataset)
    with home.shared_work(CONTENT, dataset, raw["samples"].digest) as workspace:
        path = workspace / "sha256"
        if not path.exists():
            with replacing(path) as unfinished:
                unfinished.write_text(content_digest(raw))
        return path.read_text()


def sample_table(table: Table, columns: Sequence[str]) -> pa.Table:
    """Some columns, in memory or, if they are large, in pages of a file without a name.

    Raises:
        StoreError: If the file is missing or damaged, or there is no room for the copy.
    """
    with reading(table.path):
        return read_table(table.path, columns)
