"""Pictures as the model reads them: pixel tensors, made once per picture, and the tokens that stand for them."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image

from xmas_assets.contracts.errors import ModelError

OpenImage = Callable[[str, str], Image.Image]
"""Gives the picture of a reference, if its bytes still have the given content hash."""

_TEXT_OUTPUTS = {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"}


class Pictures:
    """Preprocesses pictures on demand and keeps the most recently used ones within a memory limit.

    A picture is known by its content hash: the same bytes under two names are read once.
    """

    def __init__(self, processor: Any, open_image: OpenImage, *, limit_bytes: int = 1 << 30) -> None:
        """Take where pictures come from.

        Args:
            processor: The model's processor.
            open_image: Gives the picture of a reference and content hash.
            limit_bytes: Pixel tensors kept at most, bytes; pictures beyond it are preprocessed again when needed.
        """
        self._processor = processor
        self._open_image = open_image
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._kept_bytes = 0
        self._tokens: dict[str, tuple[int, ...]] = {}
        self._same_tokens = _tokens_of_every_picture(processor)

    def tokens(self, reference: str, content_hash: str) -> tuple[int, ...]:
        """Return the token ids that stand for a picture; opens it only if the number depends on its size."""
        if self._same_tokens is not None:
            return self._same_tokens
        if content_hash not in self._tokens:
            self._add(reference, content_hash)
        return self._tokens[content_hash]

    def pixels(self, references: Sequence[str], content_hashes: Sequence[str]) -> torch.Tensor:
        """Return the pixel values of pictures, in order, shape (n_images, channels, height, width).

        Raises:
            ModelError: If the processor gives the model more than pixel values (a family not supported).
            ImageError: If ``open_image`` refuses one.
        """
        return torch.cat([self._one(*pair) for pair in zip(references, content_hashes, strict=True)])

    def _one(self, reference: str, content_hash: str) -> torch.Tensor:
        if content_hash in self._kept:
            self._kept.move_to_end(content_hash)
            return self._kept[content_hash]
        return self._add(reference, content_hash)

    def _add(self, reference: str, content_hash: str) -> torch.Tensor:
        image = self._open_image(reference, content_hash)
        if self._same_tokens is None:
            pixels, self._tokens[content_hash] = _preprocess(self._processor, image)
        else:  # without the text half of the processor, which costs more than the pixels
            pixels = _pixels_alone(self._processor, image)
        self._kept[content_hash] = pixels
        self._kept_bytes += pixels.nbytes
        while self._kept_bytes > self._limit_bytes and len(self._kept) > 1:
            self._kept_bytes -= self._kept.popitem(last=False)[1].nbytes
        return pixels


def _preprocess(processor: Any, image: Image.Image) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Make one picture's pixel values, shape (1, channels, height, width), and the token ids that stand for it."""
    made = processor(
        images=[image.convert("RGB")], text=[processor.image_token], add_special_tokens=False, return_tensors="pt"
    )
    extra = set(made) - _TEXT_OUTPUTS - {"pixel_values"}
    if extra or made["pixel_values"].ndim != 4:
        raise ModelError(
            f"the processor gives {sorted(set(made) - _TEXT_OUTPUTS)} per picture; only families with plain "
            "pixel_values (LLaVA-1.5) are supported"
        )
    return made["pixel_values"], tuple(made["input_ids"][0].tolist())


def _tokens_of_every_picture(processor: Any) -> tuple[int, ...] | None:
    """Return the token ids of a picture if a wide and a tall one get the same; None if they depend on the picture."""
    probes = [Image.effect_noise(size, 60).convert("RGB") for size in ((96, 32), (40, 200))]
    wide, tall = (_preprocess(processor, probe) for probe in probes)
    same = wide[1] == tall[1] and wide[0].shape == tall[0].shape
    return wide[1] if same and torch.equal(wide[0], _pixels_alone(processor, probes[0])) else None


def _pixels_alone(processor: Any, image: Image.Image) -> torch.Tensor:
    """Make one picture's pixel values with the image half of the processor."""
    return processor.image_processor(images=[image.convert("RGB")], return_tensors="pt")["pixel_values"]
