"""What a model's processor makes of images, got by the shortest way that gives the same as calling it whole."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from xmas_assets.contracts.errors import ImageError, ModelError
from xmas_assets.contracts.messages import one_line
from xmas_assets.contracts.samples import Reason
from xmas_assets.vlm.bounded import Bounds, bounded_text
from xmas_assets.vlm.grids import Shape, Tiling, draw_places, tiling_of

PerToken = Callable[[NDArray[np.int32], NDArray[np.bool_]], NDArray[np.int8]]
"""Makes an input of one number per token, from the row's ids and which of them are answers."""

_KNOWN_TEXT = ("input_ids", "attention_mask", "labels")
# Far from any size that the image half could have by chance, so that its number of tokens shows what is text.
_LONG_TEXT = " a" * 997
# Width and height of the images that a processor is tried on: wide, tall, and large enough for any family's tiles.
_PROBES = ((96, 32), (40, 200), (1100, 700))
# The smallest and narrowest that a dataset may have: a processor that takes these takes any image.
_EXTREMES = ((4, 4), (400, 4), (4, 400))
_BOUNDS = Bounds(
    30,
    4 << 30,
    "the processor takes too long or too much memory for a picture; use another model, or fix its "
    "processor_config.json",
)


@dataclass(frozen=True)
class ImageHalf:
    """What a processor makes of the images of a unit.

    Attributes:
        tensors: Inputs of the model by name; the first axis counts images, tiles or patches, as the family does.
        written: What each image's mark in the text becomes.
        sizes: Each image's width and height in pixels, before any resizing.
    """

    tensors: Mapping[str, Tensor]
    written: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]

    @property
    def n_bytes(self) -> int:
        """Memory of the tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


class Description(NamedTuple):
    """What images become in the text, by their sizes alone.

    Attributes:
        written: What each image's mark becomes.
        shapes: What tells where each image's tokens lie; None if all images become the same.
    """

    written: tuple[str, ...]
    shapes: tuple[Shape | None, ...]


@lru_cache(maxsize=4)
def preparer_of(processor: Any) -> "ImagePreparer":
    """The preparer of a processor, made once: trying it takes longer than preparing an image.

    Raises:
        ModelError: If the processor cannot prepare an ordinary image.
    """
    _require_bounded(processor)
    try:
        return ImagePreparer(processor)
    except ImageError as error:
        raise ModelError(f"{error.detail}; use another model") from error


def _require_bounded(processor: Any) -> None:
    """Refuse a processor whose settings make a picture, or its tokens, larger than any machine takes."""

    def prepare() -> str:
        torch.set_num_threads(1)  # the threads of this process are not in its child
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        for size in _PROBES:
            try:
                _called(processor, [draw_places(size)], processor.image_token)
            except MemoryError:
                raise
            except Exception as error:  # a family's own, of any type
                return f"{size[0]} x {size[1]} pixels ({one_line(error)})"
        return ""

    if getattr(processor, "image_token", None) is not None and (refused := bounded_text(prepare, _BOUNDS)):
        raise ModelError(f"the processor ({type(processor).__name__}) refuses {refused}; use another model")


class ImagePreparer:
    """Calls a processor for the image half of its output alone, by the shortest way that gives the same."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        mark: str | None = getattr(processor, "image_token", None)
        if mark is None:
            raise ModelError("the processor names no image token; use the processor of a VLM")
        self._mark = mark
        images = [draw_places(size) for size in _PROBES]
        self._names, self.per_token = self._kinds_of_outputs(images[0])
        self._is_bare = False
        self.described: dict[tuple[tuple[int, int], ...], Description] = {}
        self._tilings: dict[tuple[int, int], Tiling | None] = {}
        halves = [self.prepare([image]) for image in images]
        written = [half.written[0] for half in halves]
        tokenised = processor.tokenizer(written, add_special_tokens=False)["input_ids"]
        self.token_ids = {token for tokens in tokenised for token in tokens}
        self._constant = written[0] if len(set(written)) == 1 else None
        self._is_bare = self._constant is not None and all(
            _are_equal(half.tensors, self._bare([image])) for half, image in zip(halves, images, strict=True)
        )
        #: What the mark of any image becomes; None if that depends on the image, or the processor refuses some.
        self.constant_text = self._constant if self._takes_extremes() else None
        #: Whether an image's inputs are the same next to another image as alone.
        self.are_independent = self._written_together(images[:2]) == tuple(written[:2])

    def prepare(self, images: Sequence[Image.Image]) -> ImageHalf:
        """Prepare images together.

        Raises:
            ImageError: ``image_refused`` if the processor does not take them.
        """
        colours = [image.convert("RGB") for image in images]
        sizes = tuple(image.size for image in colours)
        if self._is_bare:  # without the text half, which may cost more than the pixels
            assert self._constant is not None
            return ImageHalf(self._bare(colours), (self._constant,) * len(images), sizes)
        made = self._call(colours, "")
        return ImageHalf({name: made[name] for name in self._names}, _written(made, len(images)), sizes)

    def describe(self, half: ImageHalf) -> Description:
        """What images become in the text, which is the same for all of their sizes."""
        if half.sizes not in self.described:
            self.described[half.sizes] = Description(half.written, self._shapes(half))
        return self.described[half.sizes]

    def _shapes(self, half: ImageHalf) -> tuple[Shape, ...]:
        has_sizes = "image_sizes" in half.tensors
        size, *others = half.sizes
        if others:
            return tuple(Shape(each, has_sizes=has_sizes) for each in half.sizes)
        pixels, patches = half.tensors.get("pixel_values"), _patches(half.tensors)
        if pixels is None or pixels.ndim < 4:
            return (Shape(size, patches=patches),)
        crops = (pixels.shape[:-3].numel(), pixels.shape[-2], pixels.shape[-1])
        tiling = self._tiling(size) if crops[0] > 1 and not has_sizes else None
        return (Shape(size, crops, tiling, patches, has_sizes),)

    def _tiling(self, size: tuple[int, int]) -> Tiling | None:
        """How the processor cuts pictures of a size, seen from one."""
        if size not in self._tilings:
            pixels = self.prepare([draw_places(size)]).tensors["pixel_values"]
            self._tilings[size] = tiling_of(pixels.flatten(0, -4).numpy())
        return self._tilings[size]

    def _bare(self, images: Sequence[Image.Image]) -> dict[str, Tensor]:
        """The output of the processor's image half alone, which lacks what only the whole sets."""
        try:
            return dict(self._processor.image_processor(images=list(images), return_tensors="pt"))
        except Exception as error:
            raise self._refusal(images, error) from error

    def _kinds_of_outputs(self, image: Image.Image) -> tuple[list[str], dict[str, PerToken]]:
        """Names of the image half, and how the outputs per token come about.

        A tensor whose first sizes are (1, n_tokens) is text, any other is of images.
        """
        made = self._call([image], _LONG_TEXT)
        ids = made["input_ids"]
        tensors = {name: value for name, value in made.items() if isinstance(value, Tensor)}
        of_text = [name for name, value in tensors.items() if value.shape[:2] == (1, ids.shape[1])]
        others = [name for name in of_text if name not in _KNOWN_TEXT]
        return [name for name in tensors if name not in of_text], {name: self._maker(name, made) for name in others}

    def _maker(self, name: str, made: Any) -> PerToken:
        kinds = self._processor.create_mm_token_type_ids
        values = made[name]
        if values.tolist() == kinds(made["input_ids"].tolist()):
            return lambda ids, _: np.array(kinds([ids.tolist()])[0], dtype=np.int8)
        if not values.any():
            # Made from a pair of texts, prompt and answer (PaliGemma): the prompt is seen both ways, 1 is causal.
            return lambda _, is_answer: np.maximum.accumulate(is_answer).astype(np.int8)
        raise ModelError(
            f"the processor ({type(self._processor).__name__}) gives {name!r} by a rule that is not known; use another "
            "model"
        )

    def _written_together(self, images: Sequence[Image.Image]) -> tuple[str, ...] | None:
        try:
            return self.prepare(images).written
        except ImageError:  # a family of one image per row
            return None

    def _takes_extremes(self) -> bool:
        try:
            for size in _EXTREMES:
                self.prepare([draw_places(size)])
        except ImageError:
            return False
        return True

    def _call(self, images: Sequence[Image.Image], text: str) -> Any:
        try:
            return _called(self._processor, images, self._mark * len(images) + text)
        except Exception as error:  # a family's own, of any type
            raise self._refusal(images, error) from error

    def _refusal(self, images: Sequence[Image.Image], error: Exception) -> ImageError:
        sizes = ", ".join(f"{image.width} x {image.height}" for image in images)
        kind = type(self._processor).__name__
        return ImageError(Reason.IMAGE_REFUSED, f"the processor ({kind}) refuses {sizes} pixels ({one_line(error)})")


def _called(processor: Any, images: Sequence[Image.Image], text: str) -> Any:
    return processor(
        images=[list(images)],
        text=[text],
        add_special_tokens=False,
        return_tensors="pt",
        return_text_replacement_offsets=True,
    )


def _written(made: Any, n_images: int) -> tuple[str, ...]:
    """What the marks became, in order."""
    spans = made.get("text_replacement_offsets", [[]])[0]
    written = tuple(span["replacement"] for span in spans if span["type"] == "image")
    if len(written) != n_images:
        detail = f"the processor writes {len(written)} of {n_images} images into the text"
        raise ImageError(Reason.IMAGE_REFUSED, detail)
    return written


def _patches(tensors: Mapping[str, Tensor]) -> tuple[int, int] | None:
    """Rows and columns of patches, where they are counted (frames, rows, columns) or numbered (column, row; or -1)."""
    if "image_grid_thw" in tensors:
        _, rows, columns = tensors["image_grid_thw"][0].tolist()
        return rows, columns
    if "image_position_ids" in tensors:
        last_column, last_row = tensors["image_position_ids"][0].amax(0).tolist()
        return last_row + 1, last_column + 1
    return None


def _are_equal(one: Mapping[str, Tensor], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
