"""Pictures of contaminated training rows, each next to the picture of a benchmark that it matches."""

import shlex
from typing import NamedTuple

import polars as pl
from PIL import Image

from xmas_assets.contracts.contamination import LEAKING, SAME_QUESTION
from xmas_assets.contracts.errors import ImageError
from xmas_assets.contracts.samples import without_image_marks
from xmas_assets.data.perceptual import perceptual_code
from xmas_assets.home.home import Home
from xmas_assets.report.sheets import cluster_sample_figure
from xmas_assets.stages.contamination import OWN_TEST, compared_items, compared_with, find_contamination
from xmas_assets.stages.picture_codes import OpenImage
from xmas_assets.store.reading import Table

_N_SHOWN = 12
_PER_LINE = 3


class _Picture(NamedTuple):
    """A picture of a record; ``image`` is None if it cannot be opened any more."""

    content: str
    image: Image.Image | None


def contamination_figures(home: Home, dataset: str) -> list[tuple[str, bytes, str]]:
    """Title, PNG bytes and caption for each benchmark, and the test records, that share pictures with training rows.

    Shown are the strongest pairs, at most ``_N_SHOWN``. Nothing for a dataset without benchmarks.
    """
    figures = []
    for name in compared_with(home, dataset) if home.registration(dataset).benchmarks else ():
        pairs = _pairs(home, dataset, name)
        if len(pairs):
            caption = "Left a training row, right the item that it matches, and by what; the strongest matches first."
            if len(pairs) > _N_SHOWN:
                chosen = "" if name == OWN_TEST else f" --benchmark {shlex.quote(name)}"
                more = f"xmas benchmark contamination {shlex.quote(dataset)}{chosen}"
                caption += f" {len(pairs) - _N_SHOWN:,} more in: {more}"
            figures.append((f"Pictures shared with {name}", _drawn(home, dataset, name, pairs.head(_N_SHOWN)), caption))
    return figures


def _pairs(home: Home, dataset: str, name: str) -> pl.DataFrame:
    """The contaminated rows that have pictures, each with the item that it shares most with, the strongest first.

    Returns:
        ``sample_id``, ``item_id``, ``kind`` and ``distance``.
    """
    rank = pl.col("kind").replace_strict({kind: number for number, kind in enumerate(LEAKING)}, return_dtype=pl.Int64)
    rows = find_contamination(home, dataset, name)["rows"].frame().filter(pl.col("kind").is_in(LEAKING))
    samples = home.stored("raw_dataset", dataset)["samples"].scan()
    pictured = samples.filter(pl.col("images").list.len() > 0).select("sample_id").collect()
    return (
        rows.join(pictured, on="sample_id", how="semi", maintain_order="left")
        .sort(rank, "distance", "sample_id", maintain_order=True)
        .unique("sample_id", keep="first", maintain_order=True)
    )


def _drawn(home: Home, dataset: str, name: str, pairs: pl.DataFrame) -> bytes:
    items, open_item = compared_items(home, dataset, name)
    ours = _records(home.stored("raw_dataset", dataset)["samples"], pairs["sample_id"])
    theirs = _records(items, pairs["item_id"])
    open_ours = home.open_image(dataset)
    shown = []
    for row, kind, item, distance in pairs.select("sample_id", "kind", "item_id", "distance").iter_rows():
        (left, question), (right, asked) = ours[row], theirs[item]
        one, other = _nearest(_opened(left, open_ours), _opened(right, open_item))
        by = "same bytes" if one.content == other.content else f"perceptual hash, {distance} of 64 bits differ"
        by += ", same question" if kind == SAME_QUESTION else ""
        shown += [(one.image, f"{by}: {row} {question}"), (other.image, f"{item} {asked}")]
    lines = [shown[first : first + 2 * _PER_LINE] for first in range(0, len(shown), 2 * _PER_LINE)]
    return cluster_sample_figure([("", line) for line in lines])


def _records(table: Table, ids: pl.Series) -> dict[str, tuple[dict[str, str], str]]:
    """By id, the references of a record's pictures by their content, and its first words."""
    wanted = table.scan().filter(pl.col("sample_id").is_in(ids.to_list()))
    records = wanted.select("sample_id", "images", "image_hashes", "turns").collect()
    return {
        name: (dict(zip(hashes, images, strict=True)), without_image_marks(turns[0]["text"]))
        for name, images, hashes, turns in records.iter_rows()
    }


def _opened(pictures: dict[str, str], open_image: OpenImage) -> list[_Picture]:
    """The pictures of a record, which may have been removed or changed since they were compared."""
    opened = []
    for content, reference in pictures.items():
        try:
            opened.append(_Picture(content, open_image(reference, content)))
        except ImageError:
            opened.append(_Picture(content, None))
    return opened


def _nearest(ours: list[_Picture], theirs: list[_Picture]) -> tuple[_Picture, _Picture]:
    """Of all pairs of two records' pictures the one of the same bytes, else the one that looks most alike."""
    codes = {picture.content: _code(picture.image) for picture in (*ours, *theirs)}

    def difference(pair: tuple[_Picture, _Picture]) -> int:
        one, other = pair
        if one.content == other.content:
            return -1
        code, other_code = codes[one.content], codes[other.content]
        return 64 if code is None or other_code is None else (code ^ other_code).bit_count()

    return min(((one, other) for one in ours for other in theirs), key=difference)


def _code(image: Image.Image | None) -> int | None:
    code = None if image is None else perceptual_code(image)
    return None if code is None else int.from_bytes(code)
