"""Codes of what pictures look like, computed once for each content and kept for all datasets and benchmarks."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
from PIL import Image

from xmas_assets.contracts.errors import ImageError
from xmas_assets.contracts.libraries import library_versions
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.data.perceptual import LIBRARIES, perceptual_code
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import combine
from xmas_assets.store.reading import Table

_VERSION = "1"  # raised when the same picture would get another code
_SHARD_IMAGES = 2048
_SCHEMA = {"image": pl.String, "code": pl.Binary}
_PARTITION = "images:content"  # no dataset can have this name

OpenImage = Callable[..., Image.Image]


def codes_version() -> str:
    """Version of what the codes are made with: this code and the libraries behind it."""
    return combine(_VERSION, *(f"{name} {version}" for name, version in library_versions(LIBRARIES).items()))


def picture_codes(
    home: Home, table: Table, open_image: OpenImage, *, progress: ProgressCallback | None = None
) -> pl.DataFrame:
    """The codes of all pictures of a table; those that no earlier run looked at are opened, several at a time.

    They are kept in shards, so that a killed run loses at most the pictures of one.

    Args:
        home: The platform's folder.
        table: With ``images`` and ``image_hashes``.
        open_image: Opens one of its references, given the hash too.
        progress: Told of pictures that are opened now.

    Returns:
        ``image`` (hash of the bytes, unique and ascending) and ``code``: null for a picture without structure. A
        picture that cannot be opened any more is left out, and tried again by the next run.
    """
    wanted = dict(_references(table))
    with home.shared_work("picture_codes", _PARTITION, codes_version()) as folder:
        known = _kept(folder)
        fresh = sorted(wanted.keys() - set(known["image"]))
        made = [known]
        for start in range(0, len(fresh), _SHARD_IMAGES):
            images = fresh[start : start + _SHARD_IMAGES]
            codes = _codes([(image, wanted[image]) for image in images], open_image)
            if len(codes):
                with replacing(folder / f"{combine(*codes['image'])}.parquet") as unfinished:
                    codes.write_parquet(unfinished)
            made.append(codes)
            if progress is not None:
                progress(Progress(start + len(images), len(fresh)))
    frame = pl.concat(made).unique("image", maintain_order=True)
    return frame.filter(pl.col("image").is_in(list(wanted))).sort("image", maintain_order=True)


def _references(table: Table) -> Iterator[tuple[str, str]]:
    """Hash and reference of every picture in a table."""
    for batch in table.batches(["image_hashes", "images"]):
        for hashes, images in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield from zip(hashes, images, strict=True)


def _kept(folder: Path) -> pl.DataFrame:
    """The codes that are there."""
    parts = [pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))]
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *parts])


def _codes(pictures: Iterable[tuple[str, str]], open_image: OpenImage) -> pl.DataFrame:
    """The codes of pictures, given as hash and reference, that can be opened."""

    def code_of(picture: tuple[str, str]) -> tuple[str, bytes | None] | None:
        image, reference = picture
        try:
            return image, perceptual_code(open_image(reference, image))
        except ImageError:
            return None

    # Threads: Pillow decodes and resizes without holding Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = [row for row in pool.map(code_of, pictures) if row is not None]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
