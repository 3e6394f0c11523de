"""Training rows that share pictures or questions with a benchmark, listed and counted; kept by what was compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from xmas_assets.contracts.contamination import LEAKING
from xmas_assets.contracts.errors import SelectionError, SettingsError
from xmas_assets.contracts.manifest import Exclusion
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.core.arrays import IntArray
from xmas_assets.core.near_codes import Codes, pairs_within
from xmas_assets.data.perceptual import CODE_BYTES, NEAR_BITS
from xmas_assets.evaluation.contamination import ROW_SCHEMA, Records, asked_by_turns, contamination
from xmas_assets.home.benchmarks import COMPARED
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, stage
from xmas_assets.stages.benchmarks import benchmark_items
from xmas_assets.stages.picture_codes import OpenImage, codes_version, picture_codes
from xmas_assets.store.reading import Table

OWN_TEST = "own test"
"""Stands for the dataset's own test records; no benchmark can have this name."""
CONTAMINATION = "contamination"
"""Table of the leaderboard with the counts; not there for a dataset without benchmarks."""
_VERSION = "1"  # raised when the same tables and codes would give other rows


def compared_with(home: Home, dataset: str) -> list[str]:
    """What a dataset's training rows are compared with: its benchmarks, and its own test records if it has any."""
    raw = home.stored("raw_dataset", dataset)
    own = [OWN_TEST] if "test" in raw and raw["test"].n_rows else []
    return [*home.registration(dataset).benchmarks, *own]


def find_contamination(
    home: Home, dataset: str, name: str, *, progress: ProgressCallback | None = None
) -> StoredTables:
    """The tables ``rows`` and ``counts`` of a dataset's training rows and one benchmark, made unless they are there.

    ``counts`` also says how many pictures could not be opened, so that only their bytes were compared.

    Args:
        home: The platform's folder, with ``raw_dataset``.
        dataset: Dataset name.
        name: A registered benchmark, or ``OWN_TEST``.
        progress: Told of pictures that are looked at for the first time.

    Raises:
        SettingsError: If there is no such dataset or benchmark.
        StoreError: If the dataset was not read yet.
    """
    raw = home.stored("raw_dataset", dataset)
    items, open_item = compared_items(home, dataset, name)
    key = combine(_VERSION, str(NEAR_BITS), codes_version(), raw["samples"].digest, items.digest)
    with home.shared_work(COMPARED, f"{dataset}|{name}", key) as workspace:
        if any((workspace / "tables").glob("*.parquet")):
            return StoredTables(workspace / "tables")
        ours = picture_codes(home, raw["samples"], home.open_image(dataset), progress=progress)
        theirs = picture_codes(home, items, open_item, progress=progress)
        train = Records.of(raw["samples"].scan(), questions=asked_by_turns())
        questions = asked_by_turns() if name == OWN_TEST else pl.concat_list(asked_by_turns(), "question")
        asked = Records.of(items.scan(), questions=questions)
        rows, counts = contamination(train, asked, _near(ours, theirs))
        n_unread = train.n_pictures() + asked.n_pictures() - len(ours) - len(theirs)
        return stage(workspace, {"rows": rows, "counts": counts.with_columns(n_unread=pl.lit(n_unread, pl.Int64))})


def compared_items(home: Home, dataset: str, name: str) -> tuple[Table, OpenImage]:
    """The table of what rows are compared with, a benchmark's items or ``OWN_TEST``, and what opens its pictures."""
    if name == OWN_TEST:
        return home.stored("raw_dataset", dataset)["test"], home.open_image(dataset)
    return benchmark_items(home, name)["items"], home.benchmarks.open_image(name)


def contamination_rows(home: Home, dataset: str, names: Sequence[str]) -> pl.DataFrame:
    """The rows that ``find_contamination`` lists for several benchmarks, with their column ``benchmark`` first."""
    frames = [_with_name(find_contamination(home, dataset, name)["rows"].frame(), name) for name in names]
    return pl.concat(frames) if frames else pl.DataFrame(schema={"benchmark": pl.String} | ROW_SCHEMA)


def contamination_counts(home: Home, dataset: str, names: Sequence[str]) -> pl.DataFrame:
    """The counts of ``find_contamination`` for several benchmarks, with their column ``benchmark`` first."""
    return pl.concat(_with_name(find_contamination(home, dataset, name)["counts"].frame(), name) for name in names)


def scored_contamination(home: Home, dataset: str) -> pl.DataFrame | None:
    """The counts for all that a dataset is compared with; None if it has no benchmarks.

    Without any, an asset check has already refused test records that are training rows.
    """
    if not home.registration(dataset).benchmarks:
        return None
    return contamination_counts(home, dataset, compared_with(home, dataset))


def contaminated_ids(home: Home, dataset: str, names: Sequence[str] | None = None) -> pl.Series:
    """Sample ids, ascending, of rows that share a picture or a whole question with any of ``names``.

    By default that is all that scores targets.
    """
    rows = contamination_rows(home, dataset, compared_with(home, dataset) if names is None else names)
    return rows.filter(pl.col("kind").is_in(LEAKING))["sample_id"].unique().sort()


@dataclass(frozen=True)
class Excluded:
    """Rows that no method can select.

    Attributes:
        rows: Positions in the samples table, ascending.
        rule: Why they are left out; None if no rule is in force.
    """

    rows: IntArray
    rule: Exclusion | None


def excluded_rows(home: Home, dataset: str, names: Sequence[str] | None = None) -> Excluded:
    """The contaminated rows of a dataset, if they are to be left out.

    Args:
        home: The platform's folder, with ``raw_dataset``.
        dataset: Dataset name.
        names: What the rows are compared with, nothing if empty; by default as the dataset's registration says.

    Raises:
        SettingsError: If the registration excludes contaminated rows and there is nothing to compare them with.
        SelectionError: If no row would be left.
    """
    if names is None:
        names = _names_to_exclude(home, dataset)
    if not names:
        return Excluded(np.zeros(0, dtype=np.int64), None)
    raw = home.stored("raw_dataset", dataset)
    contaminated = raw["samples"].frame(["sample_id"])["sample_id"].is_in(contaminated_ids(home, dataset, names))
    if contaminated.all():
        raise SelectionError(
            f"all {len(contaminated)} rows of {dataset!r} share pictures or questions with {', '.join(names)}, so none "
            f"is left to select; set exclude_contaminated to false in {home.registration_path(dataset)}"
        )
    digests = {name: compared_items(home, dataset, name)[0].digest for name in names}
    rows = contaminated.arg_true().to_numpy().astype(np.int64)
    return Excluded(rows, Exclusion(kinds=LEAKING, near_bits=NEAR_BITS, items=digests, n_rows=len(rows)))


def _names_to_exclude(home: Home, dataset: str) -> list[str]:
    if not home.registration(dataset).exclude_contaminated:
        return []
    names = compared_with(home, dataset)
    if not names:
        raise SettingsError(
            f"{dataset} has neither benchmarks nor test records to compare its rows with; name one with: xmas run "
            f"--benchmark, or set exclude_contaminated to false in {home.registration_path(dataset)}"
        )
    return names


def _with_name(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return frame.select(pl.lit(name).alias("benchmark"), pl.all())


def _near(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Pairs of pictures that look alike; one without structure looks like no other."""
    ours, theirs = ours.drop_nulls(), theirs.drop_nulls()
    rows, others, bits = pairs_within(_bits(ours), _bits(theirs), distance=NEAR_BITS)
    return pl.DataFrame({"image": ours["image"][rows], "other": theirs["image"][others], "distance": bits})


def _bits(codes: pl.DataFrame) -> Codes:
    return np.frombuffer(b"".join(codes["code"]), dtype=np.uint8).reshape(-1, CODE_BYTES)
