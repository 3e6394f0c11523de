"""Forget rows of a dataset: nothing of them stays in the home, and they do not come back with the next reading."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.forgotten import Forgotten, hash_of
from xmas_assets.data.registration_file import replace_line
from xmas_assets.files.whole import remove
from xmas_assets.home.forgotten import forgotten_path, read_forgotten, remove_made, write_forgotten
from xmas_assets.home.home import Home
from xmas_assets.home.records import require_read
from xmas_assets.stages.used_images import remove_images
from xmas_assets.store import database

_READERS = ("raw_dataset", "validation_samples")  # of records, with images
_N_SHOWN = 3


@dataclass(frozen=True)
class Plan:
    """What forgetting rows comes to.

    Attributes:
        n_rows: That are forgotten, now or in a command that was killed.
        n_images: Stored images of theirs.
        selections: That were made of the dataset, and are removed with everything that was made of them.
        forgotten: The list, with what is still to be done.
        grown: Counts of the registration without the rows; None if they stay.
    """

    n_rows: int
    n_images: int
    selections: list[str]
    forgotten: Forgotten
    grown: list[int] | None = None


def ids_where(home: Home, dataset: str, condition: str) -> list[str]:
    """Ids of the training rows for which an SQL condition on their columns holds; ``StoreError`` if it is none."""
    require_read(home, dataset)
    sql = f"SELECT sample_id FROM raw_dataset.samples WHERE dataset = ? AND (\n{condition}\n)"
    with database.connect(home.tables()) as connection:
        return database.query(connection, sql, [dataset])["sample_id"].to_list()


def plan_forgetting(home: Home, dataset: str, ids: Iterable[str]) -> Plan:
    """What it comes to to forget the training rows of some ids; nothing is changed.

    Raises:
        StoreError: If the dataset was not read yet, or a run is at work on it.
        DatasetError: If a row is not there, or none would be left.
    """
    _check_idle(home, dataset)
    known = read_forgotten(home.root, dataset)
    wanted = set(ids)
    selections = _selections(home, dataset)
    if not known.is_done and not wanted:
        return Plan(len(known.contents), len(known.images), selections, known)
    require_read(home, dataset)
    samples = home.stored("raw_dataset", dataset)["samples"]
    rows = samples.frame(["row", "sample_id", "source_id", "digest", "images"])
    missing = sorted(wanted - set(rows["sample_id"]))
    if missing or not wanted:
        shown = ", ".join(missing[:_N_SHOWN]) or "no id was given"
        raise DatasetError(
            f'{len(missing)} of {len(wanted)} ids are no rows of {dataset}: {shown}; take ids from: xmas sql "SELECT '
            f"sample_id FROM raw_dataset.samples WHERE dataset = '{dataset}'\""
        )
    is_gone = rows["sample_id"].is_in(list(wanted))
    gone, left = rows.filter(is_gone), rows.filter(~is_gone)
    if left.is_empty():
        raise DatasetError(f"no row of {dataset} would be left; run: xmas dataset remove {dataset}")
    images = set(gone["images"].explode().drop_nulls()) - set(left["images"].explode().drop_nulls())
    ids_gone = set(gone["source_id"].drop_nulls()) - set(left["source_id"].drop_nulls())
    forgotten = Forgotten(
        contents=known.contents | set(gone["digest"]),
        ids=known.ids | set(map(hash_of, ids_gone)),
        images=known.images | images,
        is_done=False,
    )
    return Plan(len(gone), len(images), selections, forgotten, _counts_left(home, dataset, gone))


def forget_rows(home: Home, dataset: str, plan: Plan) -> None:
    """Note which rows are forgotten, then remove all that was made of the dataset, and their images.

    Killed anywhere, it goes on when it is called again; until it has ended the dataset is not read.

    Raises:
        StoreError: If a run is at work on the dataset, or the object store that the home is in cannot be used.
    """
    _check_idle(home, dataset)
    with home.using(dataset):
        _note(home, dataset, plan.forgotten)
        if plan.grown is not None:
            replace_line(home.registration_path(dataset), "grown", plan.grown)
        if home.copy:
            home.copy.share_notes()  # before others are looked for: who begins later sees it, and reads nothing
            _check_others(home, dataset, plan)
        remove_made(home.root, dataset, home.costs)
        if home.copy:
            home.copy.forget(dataset)
        remove_images(home, plan.forgotten.images)
        if home.copy:
            home.copy.forget_images()
        if plan.forgotten.images:
            remove(home.features())  # by image; they are made again where they are needed
        kept = plan.forgotten.images if home.copy else frozenset()  # for machines that are not here now
        _note(home, dataset, plan.forgotten.model_copy(update={"images": kept, "is_done": True}))
        if home.copy:
            home.copy.share_notes()


def sources_of(home: Home, dataset: str) -> list[Path]:
    """A user's own files that still hold the rows: those of records, and the folder or archive of images."""
    registration = home.registration(dataset)
    return [*registration.files(), *([registration.images] if registration.images else [])]


def _selections(home: Home, dataset: str) -> list[str]:
    found = home.stored_partitions("selected_subset", dataset)
    return sorted(str(parse_partition(partition)[1]) for partition in found)


def _counts_left(home: Home, dataset: str, gone: pl.DataFrame) -> list[int] | None:
    """How many rows there were each time before others were appended, without those that are forgotten."""
    grown = home.registration(dataset).grown
    if not grown:
        return None
    left = [count - gone.filter(pl.col("row") < count).height for count in grown]
    return sorted({count for count in left if count > 0})


def _check_idle(home: Home, dataset: str) -> None:
    home.registration(dataset)
    home.check_idle(dataset, then=f"xmas dataset forget-rows {dataset}")


def _check_others(home: Home, dataset: str, plan: Plan) -> None:
    """Refuse while another machine works on the dataset, or reads records that may have the same images."""
    readers = _READERS if plan.forgotten.images else ()
    home.check_idle_elsewhere(dataset, *readers, then=f"xmas dataset forget-rows {dataset}")


def _note(home: Home, dataset: str, forgotten: Forgotten) -> None:
    write_forgotten(home.root, dataset, forgotten)
    if home.copy:
        home.copy.note_forgotten(forgotten_path(home.root, dataset))
