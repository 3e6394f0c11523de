"""Images as the model reads them: the tensors that its processor makes of them, once per image, and their tokens."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from xmas_assets.contracts.errors import ImageError
from xmas_assets.contracts.samples import Reason
from xmas_assets.vlm.image_preparer import Description, ImageHalf, preparer_of

_LOG = logging.getLogger(__name__)
OpenImage = Callable[[str, str], Image.Image]
"""Gives the picture of a reference, if its bytes still have the given content hash."""


class Unit(NamedTuple):
    """Images that are prepared together: a single one, or all of a row where one's inputs depend on the others.

    Attributes:
        references: Of the images.
        hashes: SHA-256 (hex) of their bytes; equal hashes are equal inputs.
    """

    references: tuple[str, ...]
    hashes: tuple[str, ...]


class Pictures:
    """Prepares images on demand and keeps the most recently used ones within a memory limit.

    An image is known by its content hash: the same bytes under two names are read once.
    """

    def __init__(self, processor: Any, open_image: OpenImage, *, limit_bytes: int = 1 << 30) -> None:
        """Take where images come from, and try the processor on some.

        Args:
            processor: The model's processor.
            open_image: Gives the picture of a reference and content hash.
            limit_bytes: Tensors kept at most, bytes; images beyond it are prepared again when needed.

        Raises:
            ModelError: If the processor cannot prepare an ordinary image.
        """
        self._open_image = open_image
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[tuple[str, ...], ImageHalf] = OrderedDict()
        self._kept_bytes = 0
        self._described: dict[tuple[str, ...], Description | None] = {}
        self._preparer = preparer_of(processor)
        self._has_refused = False

    def units(self, references: Sequence[str], content_hashes: Sequence[str]) -> list[Unit]:
        """Group a row's images into what is prepared together."""
        if self._preparer.are_independent:
            return [Unit((one,), (other,)) for one, other in zip(references, content_hashes, strict=True)]
        return [Unit(tuple(references), tuple(content_hashes))] if references else []

    def describe(self, unit: Unit) -> Description | None:
        """What images become in the text, or None if the processor refuses one; opened only if it depends on them.

        Raises:
            ImageError: If ``open_image`` refuses a picture.
        """
        constant = self._preparer.constant_text
        if constant is not None:
            return Description((constant,) * len(unit.hashes), (None,) * len(unit.hashes))
        if unit.hashes not in self._described:
            self._described[unit.hashes] = self._describe(unit)
        return self._described[unit.hashes]

    def token_ids(self) -> set[int]:
        """The tokens that an image becomes, tried on some."""
        return self._preparer.token_ids

    def half(self, unit: Unit) -> ImageHalf:
        """The image half of the model's inputs.

        Raises:
            ImageError: If ``open_image`` refuses a picture, or the processor does (``image_refused``).
        """
        if unit.hashes in self._kept:
            self._kept.move_to_end(unit.hashes)
            return self._kept[unit.hashes]
        half = self._preparer.prepare(self._open(unit))
        self._kept[unit.hashes] = half
        self._kept_bytes += half.n_bytes
        while self._kept_bytes > self._limit_bytes and len(self._kept) > 1:
            self._kept_bytes -= self._kept.popitem(last=False)[1].n_bytes
        return half

    def half_if_taken(self, unit: Unit) -> ImageHalf | None:
        """As ``half``, but None where the processor refuses an image; logged once, since there may be many."""
        try:
            return self.half(unit)
        except ImageError as error:
            if error.reason != Reason.IMAGE_REFUSED:
                raise
            level = logging.DEBUG if self._has_refused else logging.WARNING
            self._has_refused = True
            _LOG.log(level, "%s: %s; rows with such images are left out", ", ".join(unit.references), error.detail)
            return None

    def _open(self, unit: Unit) -> list[Image.Image]:
        return [self._open_image(*pair) for pair in zip(unit.references, unit.hashes, strict=True)]

    def _describe(self, unit: Unit) -> Description | None:
        """As ``describe``; where memory would not keep what is prepared, a known size is enough."""
        known = None
        if unit.hashes not in self._kept and 2 * self._kept_bytes > self._limit_bytes:
            known = self._preparer.described.get(tuple(image.size for image in self._open(unit)))
        if known is None and (half := self.half_if_taken(unit)) is not None:
            known = self._preparer.describe(half)
        return known

    def per_token(self, input_ids: NDArray[np.int32], is_answer: NDArray[np.bool_]) -> dict[str, NDArray[np.int8]]:
        """What the model reads of each token of a row next to its id, by the input's name.

        Args:
            input_ids: Shape (n_tokens,).
            is_answer: Whether a token belongs to an answer, shape (n_tokens,).
        """
        return {name: make(input_ids, is_answer) for name, make in self._preparer.per_token.items()}

    def inputs(self, units: Iterable[Unit]) -> dict[str, Tensor]:
        """The image half of a batch."""
        return join_images([self.half(unit).tensors for unit in units])


def join_images(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Put image tensors below each other: zero-padded on their inner axes to the largest, stacked along the first.

    The models skip such filling: by the images' sizes, by a mask, or since it is all zeros.
    """
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: _stack([part[name] for part in parts if name in part]) for name in names}


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    inner = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    if all(list(tensor.shape[1:]) == inner for tensor in tensors):
        return torch.cat(list(tensors))
    stacked = tensors[0].new_zeros(sum(len(tensor) for tensor in tensors), *inner)
    start = 0
    for tensor in tensors:
        stacked[(slice(start, start + len(tensor)), *map(slice, tensor.shape[1:]))] = tensor
        start += len(tensor)
    return stacked
