"""A dataset that grows: which rows were there first, so that their models and readings are kept."""

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.registration_file import replace_line
from xmas_assets.home.home import Home
from xmas_assets.home.records import require_read
from xmas_assets.home.stored_tables import StoredTables


def keep_rows(home: Home, dataset: str, *, n_rows: int | None = None) -> int:
    """Have models and readings of a dataset's present rows kept as others are appended; returns how many rows.

    Args:
        home: The platform's folder.
        dataset: A registered dataset.
        n_rows: Of the rows that are stored, how many were there first; None for all.

    Raises:
        StoreError: If the dataset was not read yet.
        DatasetError: If there are not as many rows, or no more than were noted before.
    """
    grown = home.registration(dataset).grown
    require_read(home, dataset)
    n_stored = home.stored("raw_dataset", dataset)["samples"].n_rows
    count = n_stored if n_rows is None else n_rows
    least = grown[-1] if grown else 1
    if not least <= count <= n_stored:
        raise DatasetError(
            f"{count} rows of {dataset} cannot be kept: {n_stored} are stored"
            + (f" and {least} are noted already" if grown else "")
            + f"; give --rows within {least}..{n_stored}, or remove 'grown' from {home.registration_path(dataset)}"
        )
    if (count,) != grown[-1:]:
        replace_line(home.registration_path(dataset), "grown", [*grown, count])
    return count


def note_growth(home: Home, dataset: str, staged: StoredTables) -> None:
    """Note how many rows a dataset had before, if it is one that grows and all of them come first in what was read."""
    grown = home.registration(dataset).grown
    if not (grown and home.is_stored("raw_dataset", dataset)):
        return
    former = home.stored("raw_dataset", dataset)["samples"]
    columns = ["sample_id", "digest"]
    is_longer = grown[-1] < former.n_rows < staged["samples"].n_rows
    if is_longer and staged["samples"].frame(columns).head(former.n_rows).equals(former.frame(columns)):
        keep_rows(home, dataset)
