"""Looks at every image of a dataset once: readable, decodable, its hash, and what is worth reporting about it."""

import hashlib
import time
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
from xmas_assets.files.whole import is_settled, stamp_of


class CheckedImage(NamedTuple):
    """An image that was decoded: how to open it again, its hash (hex) and notices of ``decode_rgb``."""

    ref: str
    sha256: str
    notices: tuple[str, ...]


class SeenImage(NamedTuple):
    """A reference that was looked at before.

    Attributes:
        asked: The reference, as the records have it.
        stamp: Size and time of its file before it was read.
        found: What was found; None where it has to be looked at again: what was refused, and files that had just
            changed.
    """

    asked: str
    stamp: str
    found: CheckedImage | None


class ImageCheck:
    """Checks references (and bytes, which it stores) and remembers the results by reference."""

    def __init__(
        self,
        root: ImageRoot,
        store: Path | None,
        *,
        workers: int,
        archive: ImageArchive | None = None,
        seen: Iterable[SeenImage] = (),
    ) -> None:
        """Look at images of a folder, or of an archive, whose images go to the store like bytes.

        Args:
            root: The folder.
            store: Takes images that come as bytes.
            workers: Threads that read and decode.
            archive: Holds the images, instead of the folder.
            seen: Images of the folder that were looked at before, in the order in which ``prepare`` first gets them.
                What is not found here in its turn, or has another stamp by now, is looked at again.
        """
        self._root = root
        self._archive = archive
        self._store = store
        self._workers = workers
        self._results: dict[str | bytes, CheckedImage | Rejection] = {}
        self._seen = iter(seen)
        self._next = next(self._seen, None)

    def prepare(self, images: Iterable[str | bytes]) -> None:
        """Check those that were not checked before, several at a time."""
        keys = {_key(image): image for image in images}
        fresh = {key: image for key, image in keys.items() if key not in self._results}
        found = {key: self._found_before(image) for key, image in fresh.items()}
        checked = self._checked([image for key, image in fresh.items() if found[key] is None])
        for key, before in found.items():
            self._results[key] = next(checked) if before is None else before

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

    def _found_before(self, image: str | bytes) -> CheckedImage | None:
        seen = self._next
        if seen is None or seen.asked != image:
            return None
        self._next = next(self._seen, None)
        is_same = seen.found is not None and stamp_of(self._root.status(seen.asked)) == seen.stamp
        return seen.found if is_same else None

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
        return _check_file(self._root, ref) if self._archive is None else self._check_bytes(self._archive.read(ref))

    def _check_bytes(self, data: bytes) -> CheckedImage:
        if self._store is None:
            raise DatasetError("the records carry their images as bytes; give a folder to extract them to")
        if not data:
            raise ImageError(Reason.IMAGE_EMPTY, "the image has 0 bytes")
        notices = decode_rgb(data)[1]
        return CheckedImage(store_image(data, self._store), hashlib.sha256(data).hexdigest(), notices)


def look_at(root: ImageRoot, ref: str) -> SeenImage:
    """Look at an image of a folder for ``ImageCheck``, which may be done by another process, some time before."""
    began_ns, status = time.time_ns(), root.status(ref)
    try:
        found = _check_file(root, ref)
    except ImageError:
        return SeenImage(ref, "", None)
    is_sure = status is not None and is_settled(status, began_ns)
    return SeenImage(ref, stamp_of(status), found if is_sure else None)


def _check_file(root: ImageRoot, ref: str) -> CheckedImage:
    relative = root.relative(ref)
    check_reference(relative)  # also refuses what names our store
    data = root.read(relative)
    return CheckedImage(relative, hashlib.sha256(data).hexdigest(), decode_rgb(data)[1])


def _sha256(result: CheckedImage | Rejection) -> str:
    return result.sha256 if isinstance(result, CheckedImage) else ""


def _key(image: str | bytes) -> str | bytes:
    return hashlib.sha256(image).digest() if isinstance(image, bytes) else image
