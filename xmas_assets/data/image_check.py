"""Looks at every image of a dataset once: readable, decodable, its hash, and what is worth reporting about it."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from xmas_assets.contracts.errors import DatasetError, ImageError
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.decoding import decode_rgb
from xmas_assets.data.image_archives import ImageArchive
from xmas_assets.data.images import ImageRoot, check_reference, store_image
from xmas_assets.data.refusals import Rejection


class CheckedImage(NamedTuple):
    """An image that was decoded: how to open it again, its hash (hex) and notices of ``decode_rgb``."""

    ref: str
    sha256: str
    notices: tuple[str, ...]


class ImageCheck:
    """Checks references (and bytes, which it stores) and remembers the results by reference."""

    def __init__(
        self, root: ImageRoot, store: Path | None, *, workers: int, archive: ImageArchive | None = None
    ) -> None:
        """Look at images of a folder, or of an archive, whose images go to the store like bytes."""
        self._root = root
        self._archive = archive
        self._store = store
        self._workers = workers
        self._results: dict[str | bytes, CheckedImage | Rejection] = {}

    def prepare(self, images: Iterable[str | bytes]) -> None:
        """Check those that were not checked before, several at a time."""
        keys = {_key(image): image for image in images}
        fresh = {key: image for key, image in keys.items() if key not in self._results}
        for key, result in zip(fresh, self._checked(list(fresh.values())), strict=True):
            self._results[key] = result

    def result(self, image: str | bytes) -> CheckedImage | Rejection:
        """What ``prepare`` found out about an image."""
        return self._results[_key(image)]

    def notices(self) -> Counter[str]:
        """How many images had each notice, and how many have the same bytes as another (``same_image``)."""
        checked = [result for result in self._results.values() if isinstance(result, CheckedImage)]
        counts = Counter(f"image_{notice}" for result in checked for notice in result.notices)
        counts["same_image"] = len(checked) - len({result.sha256 for result in checked})
        return counts

    def file_hashes(self) -> dict[str, str]:
        """SHA-256 (hex) of the image files by reference, "" of one that was refused; none in an archive or in bytes."""
        if self._archive is not None:
            return {}
        return {
            result.ref if isinstance(result, CheckedImage) else self._root.relative(image): _sha256(result)
            for image, result in self._results.items()
            if isinstance(image, str)
        }

    def _checked(self, images: list[str | bytes]) -> Iterator[CheckedImage | Rejection]:
        if self._workers == 1 or len(images) == 1:
            yield from map(self._check, images)
            return
        with ThreadPoolExecutor(self._workers) as pool:
            yield from pool.map(self._check, images)

    def _check(self, image: str | bytes) -> CheckedImage | Rejection:
        try:
            return self._check_bytes(image) if isinstance(image, bytes) else self._check_reference(image)
        except ImageError as error:
            return Rejection(Reason(error.reason), error.detail)

    def _check_reference(self, ref: str) -> CheckedImage:
        if self._archive is not None:
            return self._check_bytes(self._archive.read(ref))
        relative = self._root.relative(ref)
        check_reference(relative)  # also refuses what names our store
        data = self._root.read(relative)
        return CheckedImage(relative, hashlib.sha256(data).hexdigest(), decode_rgb(data)[1])

    def _check_bytes(self, data: bytes) -> CheckedImage:
        if self._store is None:
            raise DatasetError("the records carry their images as bytes; give a folder to extract them to")
        if not data:
            raise ImageError(Reason.IMAGE_EMPTY, "the image has 0 bytes")
        notices = decode_rgb(data)[1]
        return CheckedImage(store_image(data, self._store), hashlib.sha256(data).hexdigest(), notices)


def _sha256(result: CheckedImage | Rejection) -> str:
    return result.sha256 if isinstance(result, CheckedImage) else ""


def _key(image: str | bytes) -> str | bytes:
    return hashlib.sha256(image).digest() if isinstance(image, bytes) else image
