"""One pass over some samples: encode once, run the vision tower once per image, then every checkpoint over them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

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
            open_image: Gives the picture of a reference and content hash.
            settings: Definition, values and batch size.
            max_tokens: Longest sample, tokens including image tokens; longer ones are cut at their end.

        Raises:
            ModelError: If a checkpoint cannot be loaded.
        """
        self._checkpoints = checkpoints
        self._settings = settings
        looks = [_look_at(load()) for load in checkpoints]
        #: Why images run through the tower at every checkpoint, if they do.
        self.notices = _why_tower_runs_again(looks)
        processor = looks[0].processor
        self._pictures = Pictures(processor, open_image)
        self._encoder = Encoder(processor, self._pictures, max_tokens=max_tokens)
        self._pad_id = pad_token_id(processor.tokenizer)

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
        features: TowerFeatures | None = None

        def read_checkpoint(number: int, vlm: Vlm) -> None:
            nonlocal features
            if number == 0 and not self.notices:
                features = self._tower_features(vlm, encoded)
            for batch in batches:
                values[[places[row.sample_id] for row in batch], number] = cross_modal_spectra(
                    vlm,
                    self._inputs(vlm, batch, features),
                    definition=self._settings.definition,
                    n_values=self._settings.n_values,
                )
                tell(len(batch) / len(self._checkpoints))

        for number, load in enumerate(self._checkpoints):
            # A function of its own, so that one checkpoint is freed before the next is loaded.
            read_checkpoint(number, load())
        tell(len(samples) - len(encoded))
        return values

    def _tower_features(self, vlm: Vlm, encoded: Sequence[Encoded]) -> TowerFeatures:
        """Run each distinct image of the samples through the tower."""
        images: dict[str, str] = {}
        for row in encoded:
            images |= zip(row.image_hashes, row.images, strict=True)
        return TowerFeatures(vlm, images, self._pictures, batch_size=self._settings.batch_size)

    def _inputs(self, vlm: Vlm, batch: Sequence[Encoded], features: TowerFeatures | None) -> dict[str, Any]:
        """Make a batch's model inputs, from the tower's features where there are some, else from pixels."""
        if features is None:
            return collate(batch, self._pictures, pad_id=self._pad_id, padding_side="right")
        tokens = [replace(row, images=(), image_hashes=()) for row in batch]
        inputs = collate(tokens, self._pictures, pad_id=self._pad_id, padding_side="right")
        return inputs | features.inputs(vlm, [content_hash for row in batch for content_hash in row.image_hashes])


class _Look(NamedTuple):
    """What is kept of a checkpoint between looking at it and reading it."""

    processor: Any
    tower_digest: str
    has_separate_tower: bool


def _look_at(vlm: Vlm) -> _Look:
    blank = Pictures(vlm.processor, lambda *_: Image.new("RGB", (64, 64))).pixels(["blank"], ["blank"])
    return _Look(vlm.processor, tower_digest(vlm), has_separate_tower(vlm, blank))


def _why_tower_runs_again(looks: Sequence[_Look]) -> tuple[str, ...]:
    """Why the tower cannot run once for all checkpoints; empty if it can."""
    if not all(look.has_separate_tower for look in looks):
        return ("this model's vision tower is not separate, so images run through it at every checkpoint",)
    if len({look.tower_digest for look in looks}) > 1:
        return ("the vision tower differs between checkpoints, so images run through it at every checkpoint",)
    return ()


def _batches_of_similar_length(encoded: Sequence[Encoded], batch_size: int) -> list[list[Encoded]]:
    """Cut into batches with little padding; samples of one length keep their order."""
    ordered = sorted(encoded, key=lambda row: len(row.input_ids))
    return [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
