"""The records of a dataset that were refused: why, where they are, and the records themselves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from xmas_assets.contracts.errors import DatasetError, SettingsError, StoreError
from xmas_assets.contracts.messages import one_of
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.json_slices import write_records
from xmas_assets.data.outputs import claim_new_file, filling
from xmas_assets.data.quarantine import json_of, start_of
from xmas_assets.data.readers import read_records
from xmas_assets.files.whole import remove
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.store.tables import move_tables

_SPLITS = {  # the registration's list of files, by asset and split
    ("raw_dataset", "samples"): "annotations",
    ("raw_dataset", "test"): "test",
    ("validation_samples", "samples"): "validation",
}
_EXAMPLE_CHARS = 200
_COLUMNS = ("files", "source_file", "file", "source_row", "source_id", "reason", "detail", "raw")


def keep_refused(home: Home, asset: str, dataset: str, *, staged: StoredTables) -> None:
    """Keep the tables of a reading that left no row. The asset's tables stay what they are: an earlier reading's."""
    move_tables(staged.directory, _folder(home, asset, dataset))


def forget_refused(home: Home, asset: str, dataset: str) -> None:
    """Forget what ``keep_refused`` kept, when a later reading left rows."""
    remove(_folder(home, asset, dataset))


def is_all_refused(home: Home, dataset: str) -> bool:
    """Whether the last reading of a dataset's training and test records left no row."""
    return _folder(home, "raw_dataset", dataset).is_dir()


def refused_rows(home: Home, dataset: str, *, reason: str | None = None) -> pl.DataFrame:
    """The refused records of the last reading, in the order of their files.

    Args:
        home: The platform's folder.
        dataset: Name of a registered dataset.
        reason: Only those of this reason.

    Returns:
        Columns: ``files`` (the registration's list that names the file: annotations, test or validation),
        ``source_file`` (position in that list, from 0), ``file`` (its name), ``source_row`` (of the record in its
        file, from 0), ``source_id``, ``reason``, ``detail``, and ``raw``, its first 2,000 characters.

    Raises:
        StoreError: If the dataset was not read yet.
        SettingsError: If no record was refused for this reason.
    """
    rows = pl.concat([_rows(home, dataset, asset, tables) for asset, tables in _readings(home, dataset)])
    if reason is None:
        return rows
    known = rows["reason"].unique(maintain_order=True).to_list()
    if reason not in known:
        remedy = one_of(reason, known) if known else "none was refused at all"
        raise SettingsError(f"no record of {dataset} was refused as {reason[:80]!r}; {remedy}")
    return rows.filter(pl.col("reason") == reason)


def refused_reasons(home: Home, dataset: str) -> pl.DataFrame:
    """How many records were refused for each reason, and the first of them; the most frequent reason first.

    Returns:
        Columns: ``files`` and ``reason``, ``rows``, and of the first ``file``, ``source_row``, ``detail``, and the
        first 200 characters of ``raw``.

    Raises:
        StoreError: If the dataset was not read yet.
    """
    counts = (
        refused_rows(home, dataset)
        .group_by("files", "reason", maintain_order=True)
        .agg(
            pl.len().alias("rows"),
            pl.col("file", "source_row", "detail").first(),
            pl.col("raw").first().str.head(_EXAMPLE_CHARS),
        )
    )
    return counts.sort("rows", descending=True, maintain_order=True)


def say_refused(home: Home, dataset: str, *, say: Callable[[str], None]) -> None:
    """Say why records were refused, in a line for each reason; nothing if none was."""
    reasons = refused_reasons(home, dataset).drop("raw")
    for files, reason, n_rows, file, row, detail in reasons.iter_rows():
        say(f"  refused in {files} as {reason}: {n_rows:,}; the first is record {row} of {file}: {detail}")
    if len(reasons):
        say(f"  all of them: xmas dataset refused {dataset}")


def write_refused(home: Home, dataset: str, *, to: Path, reason: str | None = None) -> tuple[int, int]:
    """Write the refused records themselves as JSON lines, read once more from their files.

    Args:
        home: The platform's folder.
        dataset: Name of a registered dataset.
        to: New file, .jsonl.
        reason: Only those of this reason.

    Returns:
        Records written, and how many of them are no JSON, or too large to be read: each is a JSON text of its (first)
        bytes.

    Raises:
        StoreError: If the dataset was not read yet.
        SettingsError: If no record was refused for this reason.
        OutputError: If the file cannot be written there.
        DatasetError: If a file of records changed since.
    """
    rows = refused_rows(home, dataset, reason=reason)
    with filling(claim_new_file(to, suffix=".jsonl", inputs=Inputs.of_home(home.root))) as unfinished:
        n_texts = 0

        def counted() -> Iterator[bytes]:
            nonlocal n_texts
            for record in _originals(home, dataset, rows):
                n_texts += record.startswith(b'"')
                yield record

        return write_records(counted(), unfinished, lines=True), n_texts


def _originals(home: Home, dataset: str, rows: pl.DataFrame) -> Iterator[bytes]:
    """The records of these rows as JSON, each found where it was and as it began then."""
    registration = home.registration(dataset)
    for files in _SPLITS.values():
        places = rows.filter(pl.col("files") == files).select("source_file", "source_row", "raw").iter_rows()
        wanted = {(file, row): start for file, row, start in places}
        if not wanted:
            continue
        for record in read_records(getattr(registration, files), registration.format, registration.columns):
            start = wanted.pop((record.source_file, record.source_row), None)
            if start is not None and start != start_of(record):
                wanted[record.source_file, record.source_row] = start
                break
            if start is not None:
                yield json_of(record)
        if wanted:
            name = _file_name(getattr(registration, files), next(iter(wanted))[0])
            remedy = how_to_make("raw_dataset", dataset=dataset)
            raise DatasetError(f"{name} changed since {dataset} was read; restore it, or read it again: {remedy}")


def _rows(home: Home, dataset: str, asset: str, tables: StoredTables) -> pl.DataFrame:
    rows = tables["quarantine"].frame()
    files = [_SPLITS[asset, split] for split in rows["split"]]
    registration = home.registration(dataset)
    names = [_file_name(getattr(registration, of), file) for of, file in zip(files, rows["source_file"], strict=True)]
    named = (pl.Series("files", files, pl.String), pl.Series("file", names, pl.String))
    return rows.with_columns(named).select(_COLUMNS)


def _readings(home: Home, dataset: str) -> list[tuple[str, StoredTables]]:
    """The last reading of the dataset's files, and of its validation files if they were read; by asset."""
    readings: list[tuple[str, StoredTables]] = []
    for asset in dict.fromkeys(asset for asset, _ in _SPLITS):
        if _folder(home, asset, dataset).is_dir():
            readings.append((asset, StoredTables(_folder(home, asset, dataset))))
        elif home.is_stored(asset, dataset):
            readings.append((asset, home.stored(asset, dataset)))
    if not readings:
        raise StoreError(f"{dataset} was not read yet; {how_to_make('raw_dataset', dataset=dataset)}")
    return readings


def _folder(home: Home, asset: str, dataset: str) -> Path:
    return home.table_directory(f"refused_{asset}", dataset)


def _file_name(paths: tuple[Path, ...], number: int) -> str:
    return paths[number].name if number < len(paths) else f"file {number}"  # the list may be another by now
