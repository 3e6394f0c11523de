"""Batches with what stands in for their images, each image made ready while the model runs and computed seldom."""

from collections.abc import Iterator, Sequence
from functools import partial

from xmas_assets.extraction.batching import images_of, new_images
from xmas_assets.vlm.ahead import ahead
from xmas_assets.vlm.forward import ImageInputs
from xmas_assets.vlm.image_inputs import Pictures, Unit, join_images
from xmas_assets.vlm.image_preparer import ImageHalf
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.probes import Kept
from xmas_assets.vlm.prompts import Encoded
from xmas_assets.vlm.vision_features import ImageFeatures

#: What a person should know of a model of whose images less is kept than the tower's output.
NOTICES: dict[Kept, str] = {
    "nothing": "this model takes no features of images, so they run through it with every batch",
    "features": "this model's vision tower is not separate, so images run through it at every checkpoint",
}


class ImageFeed:
    """Gives the batches of one shard to each checkpoint in turn, with their images as pixels or as features."""

    def __init__(self, pictures: Pictures, *, kept: Kept, is_tower_shared: bool = True) -> None:
        """Start without any.

        Args:
            pictures: Prepares images.
            kept: What of an image can be kept.
            is_tower_shared: Whether all checkpoints have one vision tower.
        """
        self._pictures = pictures
        self._kept = kept
        self._is_reused = kept == "tower" and is_tower_shared
        self._features: ImageFeatures | None = None

    def feed(self, vlm: Vlm, batches: Sequence[Sequence[Encoded]]) -> Iterator[tuple[Sequence[Encoded], ImageInputs]]:
        """Give each batch, and what makes the inputs of its images.

        Args:
            vlm: A checkpoint.
            batches: The same ones for every checkpoint.
        """
        wanted: list[list[Unit]] = [[]] * len(batches)
        if self._kept == "nothing":
            wanted = [images_of(batch) for batch in batches]
        elif self._features is None or not self._is_reused:
            self._features = ImageFeatures(of_tower=self._kept == "tower")
            wanted = new_images(batches)
        for batch, halves in zip(batches, ahead(self._halves, wanted), strict=True):
            if self._features is None:
                tensors = {unit.hashes: half.tensors for unit, half in halves.items()}
                yield batch, lambda units, own=tensors: join_images([own[unit.hashes] for unit in units])
            else:
                self._features.add(vlm, halves)
                yield batch, partial(self._features.inputs, vlm)

    def _halves(self, units: Sequence[Unit]) -> dict[Unit, ImageHalf]:
        """What the processor makes of images."""
        return {unit: self._pictures.half(unit) for unit in units}
