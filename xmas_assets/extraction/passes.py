"""One pass over some samples: encode once, run the vision tower once per image, then every checkpoint over them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import TrajectorySettings
from xmas_assets.vlm.attention import cross_modal_spectra
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.pictures import OpenImage, Pictures
from xmas_assets.vlm.prompts import Encoded, Encoder, collate, pad_token_id
from xmas_assets.vlm.towers import TowerFeatures, has_separate_tower, tower_digest


class SpectraReader:
    """Reads the spectra of samples at every checkpoint."""

    def __init__(
        self,
        checkpoints: Sequence[Callable[[], Vlm]],
        open_image: OpenImage,
        settings: TrajectorySettings,
        *,
        max_tokens: int,
    ) -> None:
        """Take the models, and load each once to see whether it is sound and whether all share one vision tower.

        Args:
            checkpoints: Each loads one; they are loaded one after the other, so that one at a time is in memory.
            open_image: Gives the picture of a reference.
            settings: Definition, values and batch size.
            max_tokens: Longest sample, tokens including image tokens; longer ones are cut at their end.

        Raises:
            ModelError: If a checkpoint cannot be loaded.
        """
        self._checkpoints = checkpoints
        self._settings = settings
        first = checkpoints[0]()
        #: Why images run through the tower at every checkpoint, if they do.
        self.notices = _look_at_towers(first, checkpoints[1:])
        self._pictures = Pictures(first.processor, open_image)
        self._encoder = Encoder(first.processor, self._pictures, max_tokens=max_tokens)
        self._pad_id = pad_token_id(first.processor.tokenizer)

    def read(self, samples: Sequence[Sample], tell: Callable[[float], None]) -> NDArray[np.float32]:
        """Read the spectra of some samples.

        Args:
            samples: Each with an image; those that share images should come together.
            tell: Called with the samples that a step has finished (a fraction: a step is one checkpoint's).

        Returns:
            Shape (n_samples, n_checkpoints, n_values); NaN for a sample too long to be read.
        """
        encoded, _ = self._encoder.encode(samples)
        places = {sample.sample_id: place for place, sample in enumerate(samples)}
        batches = _batches_of_similar_length(encoded, self._settings.batch_size)
        values = np.full((len(samples), len(self._checkpoints), self._settings.n_values), np.nan, dtype=np.float32)
        features = None
        for step, load in enumerate(self._checkpoints):
            vlm = load()
            if features is None and not self.notices:
                images = {
                    content_hash: image
                    for row in encoded
                    for content_hash, image in zip(row.image_hashes, row.images, strict=True)
                }
                features = TowerFeatures(vlm, images, self._pictures, batch_size=self._settings.batch_size)
            for batch in batches:
                inputs = self._inputs(vlm, batch, features)
                spectra = cross_modal_spectra(
                    vlm, inputs, definition=self._settings.definition, n_values=self._settings.n_values
                )
                values[[places[row.sample_id] for row in batch], step] = spectra
                tell(len(batch) / len(self._checkpoints))
        tell(len(samples) - len(encoded))
        return values

    def _inputs(self, vlm: Vlm, batch: Sequence[Encoded], features: TowerFeatures | None) -> dict[str, Any]:
        """Make a batch's model inputs, from the tower's features where there are some, else from pixels."""
        if features is None:
            return collate(batch, self._pictures, pad_id=self._pad_id, padding_side="right")
        tokens = [replace(row, images=(), image_hashes=()) for row in batch]
        inputs = collate(tokens, self._pictures, pad_id=self._pad_id, padding_side="right")
        return inputs | features.inputs(vlm, [content_hash for row in batch for content_hash in row.image_hashes])


def _look_at_towers(first: Vlm, others: Sequence[Callable[[], Vlm]]) -> tuple[str, ...]:
    """Why the tower cannot run once for all checkpoints; empty if it can. Loads all of them in any case."""
    digests = {tower_digest(first), *(tower_digest(load()) for load in others)}
    blank = Pictures(first.processor, lambda _: Image.new("RGB", (64, 64))).pixels(["blank"], ["blank"])
    if not has_separate_tower(first, blank):
        return ("this model's vision tower is not separate, so images run through it at every checkpoint",)
    if len(digests) > 1:
        return ("the vision tower differs between checkpoints, so images run through it at every checkpoint",)
    return ()


def _batches_of_similar_length(encoded: Sequence[Encoded], batch_size: int) -> list[list[Encoded]]:
    """Cut into batches with little padding; samples of one length keep their order."""
    ordered = sorted(encoded, key=lambda row: len(row.input_ids))
    return [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
