"""The samples of a dataset from its stored tables."""

from xmas_assets.contracts.errors import DatasetError, StoreError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.data.samples import Samples, sample_columns
from xmas_assets.data.tables import SAMPLES_SCHEMA
from xmas_assets.home.stored_assets import StoredAssets
from xmas_assets.home.stored_tables import StoredTables


def require_read(home: StoredAssets, dataset: str) -> None:
    """Refuse a dataset that was not read yet; ``StoreError``."""
    if not home.is_stored("raw_dataset", dataset):
        raise StoreError(f"{dataset} was not read yet; {how_to_make('raw_dataset', dataset=dataset)}")


def training_samples(raw_dataset: StoredTables) -> Samples:
    """The training pool, in row order."""
    table = raw_dataset["samples"]
    return Samples(table.arrow(sample_columns(table.columns)), stored=table.path)


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
    return Samples(table.arrow(sample_columns(table.columns)))
