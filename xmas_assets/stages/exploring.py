"""What the explorer shows of a dataset, brought together from stored tables: a map, pictures, reasons, overlaps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import SelectionKey, parse_partition
from xmas_assets.contracts.errors import ImageError, SettingsError, StoreError, XmasError
from xmas_assets.contracts.samples import without_image_marks
from xmas_assets.core.arrays import IntArray
from xmas_assets.core.coverage import neighbourhoods
from xmas_assets.core.projection import jaccard, principal_plane
from xmas_assets.core.similarity import NEAR_SHARE, median_distance
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.report.explorer import MOST_SHAPES, write_explorer
from xmas_assets.report.text import visible
from xmas_assets.report.thumbnails import thumbnail, thumbnail_side
from xmas_assets.stages.reasons import stored_reasons
from xmas_assets.stages.redundancy import space_rows, stored_spaces
from xmas_assets.store.reading import Table

MOST_ROWS = 40_000
MOST_PICTURE_BYTES = 40_000_000
_PREFERRED = ("image_and_text", "attention_maps", "trajectories", "image", "text")
_CELL_ROWS = 4096  # rows compared with one another to find near-duplicates
_BATCH_ROWS = 2**18  # of a selection's reasons, read at once
_N_CHARACTERS = 240  # shown of a question or an answer

Data = dict[str, Any]


def write_explorer_of(home: Home, dataset: str, *, space: str | None = None, most_rows: int = MOST_ROWS) -> Path:
    """Write the explorer of a dataset from what is stored of it; it makes the reasons of its selections.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        space: The signal that the rows are mapped by; the best one stored if left out.
        most_rows: Of more rows a random sample is shown, which says so; >= 2.

    Returns:
        The page.

    Raises:
        StoreError: If the dataset was not read yet, or no signal is stored that rows can be mapped by.
        SettingsError: If this signal is not among those stored.
    """
    samples = home.stored("raw_dataset", dataset)["samples"]
    signals = stored_signals(home, dataset)
    space = _mapped_by(dataset, stored_spaces(signals), space)
    n_rows = samples.n_rows
    rows = np.sort(np.random.default_rng(0).permutation(n_rows)[:most_rows])
    placed, points = space_rows(signals, space, rows)
    notes = []
    if n_rows > len(rows):
        notes.append(f"This page shows a random sample: {len(rows):,} of {n_rows:,} rows.")
    if len(placed) < len(rows):
        notes.append(f"{len(rows) - len(placed):,} rows have no {space.replace('_', ' ')} and are not on the map.")
    data = {"n_rows": n_rows, "space": space.replace("_", " "), **_places(rows, placed, points)}
    frame = samples.rows(rows, ["sample_id", "task", "images", "image_hashes", "turns"])
    data |= _texts(frame) | _clusters(home, dataset, rows)
    data |= _pictures(home, dataset, frame, notes)
    data |= _selections(home, dataset, rows, notes)
    path = home.explorer(dataset)
    data["notes"] = [visible(note, 400) for note in notes]
    write_explorer(path, dataset, data, by_webgl=len(rows) > MOST_SHAPES)
    return path


def _mapped_by(dataset: str, spaces: list[str], wanted: str | None) -> str:
    if not spaces:
        raise StoreError(
            f"no signal of {dataset!r} is stored that rows can be mapped by; run: xmas run {dataset} --method xmas"
        )
    if wanted is not None and wanted not in spaces:
        raise SettingsError(f"--signal {wanted[:80]!r} is not stored of {dataset!r}; use one of {', '.join(spaces)}")
    return wanted or next(space for space in _PREFERRED if space in spaces)


def _places(rows: IntArray, placed: IntArray, points: NDArray[Any]) -> Data:
    """Where each row is on the map (null: nowhere), and which rows nearly repeat one another."""
    plane = np.full((len(rows), 2), np.nan)
    near = np.full(len(rows), -1)
    places = np.searchsorted(rows, placed)
    if len(placed):
        plane[places] = principal_plane(points)
    if len(placed) > 1:
        radius = NEAR_SHARE * median_distance(points, np.ones(len(points), dtype=np.int64), seed=0)
        near[places] = neighbourhoods(points, radius, cell_rows=_CELL_ROWS)
    return {"row": rows, "x": _rounded(plane[:, 0]), "y": _rounded(plane[:, 1]), "near": near}


def _texts(frame: pl.DataFrame) -> Data:
    """Names, tasks, first questions and first answers, in which every character can be seen."""
    tasks, place = np.unique([visible(task or "(none)") for task in frame["task"].to_list()], return_inverse=True)
    turns = [[visible(without_image_marks(turn["text"]), _N_CHARACTERS) for turn in row[:2]] for row in frame["turns"]]
    return {
        "sample_id": [visible(sample_id) for sample_id in frame["sample_id"]],
        "tasks": tasks.tolist(),
        "task": place.astype(np.int64),
        "question": [row[0] if row else "" for row in turns],
        "answer": [row[1] if len(row) > 1 else "" for row in turns],
    }


def _clusters(home: Home, dataset: str, rows: IntArray) -> Data:
    if not home.is_stored("clusters", dataset):
        return {"cluster": None}
    return {"cluster": home.stored("clusters", dataset)["clusters"].column("label")[rows]}


def _pictures(home: Home, dataset: str, frame: pl.DataFrame, notes: list[str]) -> Data:
    """The first picture of each row, each different one once, in a random order for as long as they fit."""
    firsts = [
        (images[0], hashes[0]) if images else None for images, hashes in frame.select("images", "image_hashes").rows()
    ]
    different = list(dict.fromkeys(first for first in firsts if first))
    side, open_image = thumbnail_side(len(different)), home.open_image(dataset)
    pictures: list[str] = []
    places: dict[tuple[str, str], int] = {}
    n_bytes = n_unreadable = 0
    for place in np.random.default_rng(0).permutation(len(different)).tolist():
        try:
            picture = thumbnail(open_image(*different[place]), side)
        except ImageError:
            n_unreadable += 1
            continue
        n_bytes += len(picture)
        if n_bytes > MOST_PICTURE_BYTES:
            notes.append(f"Only {len(pictures):,} of {len(different):,} pictures fit into this page.")
            break
        places[different[place]] = len(pictures)
        pictures.append(picture)
    if n_unreadable:
        notes.append(f"{n_unreadable:,} pictures cannot be read any more.")
    picture_of = [places.get(first, -1) if first else -1 for first in firsts]
    return {"pictures": pictures, "picture": picture_of, "side": side}


def _selections(home: Home, dataset: str, rows: IntArray, notes: list[str]) -> Data:
    """Reasons of the first seed of every method and budget, and how far any two of them choose the same."""
    selections, chosen = [], []
    for key in _first_seeds(home, dataset):
        try:
            selection, kept = _columns(key, stored_reasons(home, dataset, key), rows)
        except XmasError as error:  # stale, or of a package that is gone: the others can still be looked at
            notes.append(f"{key} is not shown: {error}")
            continue
        selections.append(selection)
        chosen.append(kept)
    overlap = jaccard(np.array(chosen)).round(3).tolist() if chosen else []
    return {"selections": selections, "overlap": overlap}


def _first_seeds(home: Home, dataset: str) -> Iterator[SelectionKey]:
    keys = [parse_partition(partition)[1] for partition in home.stored_partitions("selected_subset", dataset)]
    seen = set()
    for key in sorted(keys, key=lambda key: (key.method, key.budget, key.seed)):
        if key.method != "full" and (key.method, key.budget) not in seen:
            seen.add((key.method, key.budget))
            yield key


def _columns(key: SelectionKey, reasons: Table, rows: IntArray) -> tuple[Data, NDArray[np.bool_]]:
    """A selection's reasons for the rows that are shown, and which of all rows it keeps."""
    kept, sizes = reasons.column("kept"), _group_sizes(reasons)
    place = {group: number for number, group in enumerate(sizes["group"])}
    shown = reasons.rows(rows, ["kept", "group", "rank_in_group", "score", "score_name", "stands_for_row"])
    names = shown["score_name"].drop_nulls()
    columns = {
        "key": visible(key),
        "n_kept": int(kept.sum()),
        "groups": [None if group is None else visible(group) for group in place],
        "group_rows": sizes["n"].to_list(),
        "group_kept": sizes["kept_of_group"].to_list(),
        "group": [place[group] for group in shown["group"]],
        "kept": shown["kept"].cast(pl.Int8).to_list(),
        "rank": shown["rank_in_group"].to_list(),
        "score_name": visible(names[0]) if len(names) else "",
        "score": _rounded(shown["score"].to_numpy()) if len(names) else None,
        "stands_for": shown["stands_for_row"].to_list() if shown["stands_for_row"].count() else None,
    }
    return columns, kept


def _group_sizes(reasons: Table) -> pl.DataFrame:
    """Every ``group`` as it first comes, with its rows ``n`` and ``kept_of_group``."""
    first = pl.first("kept_of_group")
    parts = [
        pl.DataFrame(batch).group_by("group", maintain_order=True).agg(pl.len().alias("n"), first)
        for batch in reasons.batches(["group", "kept_of_group"], n_rows=_BATCH_ROWS)
    ]
    return pl.concat(parts).group_by("group", maintain_order=True).agg(pl.sum("n"), first)


def _rounded(values: NDArray[np.floating]) -> list[float | None]:
    """Four digits of each: more would be seen nowhere, and make the page larger."""
    return [None if np.isnan(value) else float(f"{value:.4g}") for value in values.tolist()]
