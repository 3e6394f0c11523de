"""One pass over some samples: encode once, run the vision tower once per image, then read gradients at checkpoints."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.contracts.signal_settings import GradientSettings
from xmas_assets.core.arrays import FloatArray
from xmas_assets.extraction.checkpoint_loader import ModelsInTurn
from xmas_assets.extraction.image_feed import ImageFeed
from xmas_assets.extraction.projection import Projection
from xmas_assets.extraction.sample_gradients import GradientReader
from xmas_assets.extraction.shard_arrays import MARKS
from xmas_assets.vlm.adapters import read_adam_state, read_lora
from xmas_assets.vlm.batches import collate_text
from xmas_assets.vlm.forward import ImageInputs
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.probes import Kept, draw_probe, kept_of_images, probe_rows
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id

_LOG = logging.getLogger(__name__)
Direction = Literal["last_gradient", "gradient", "adam"]


class _Model(NamedTuple):
    """A checkpoint on its base, and what reads its gradients."""

    vlm: Vlm
    reader: GradientReader


class WarmupModels(ModelsInTurn[_Model]):
    """The checkpoints, a few at a time in memory."""

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint],
        base: Path,
        base_settings: BaseModelSettings,
        settings: GradientSettings,
        direction: Direction,
        *,
        in_memory: int = 1,
    ) -> None:
        self.base_settings, self.settings = base_settings, settings
        self._base, self._direction = base, direction
        self._projection = Projection(settings.n_projected, seed=settings.seed, device=base_settings.device)
        super().__init__([partial(self._load, checkpoint.path) for checkpoint in checkpoints], in_memory=in_memory)

    @cached_property
    def kept(self) -> Kept:
        """What of an image can be kept, tried at the checkpoint in memory: all are adapters of one base."""
        vlm = self[self.order()[0]].vlm
        pictures = Pictures(vlm.processor, draw_probe)
        try:
            return kept_of_images(vlm, probe_rows(vlm, pictures), pictures)
        except ModelError:  # not finite: refused with the samples that show it, and with what helps
            return "nothing"

    def _load(self, directory: Path) -> _Model:
        device = self.base_settings.device
        vlm = load_vlm(directory, self.base_settings, base=self._base)
        adam = read_adam_state(directory, device) if self._direction == "adam" else None
        return _Model(vlm, GradientReader(vlm, read_lora(directory, device), self._projection, adam=adam))


def read_gradients(
    samples: Sequence[Sample], open_image: OpenImage, models: WarmupModels, advance: Callable[[float], None]
) -> FloatArray:
    """Read the gradients of some samples.

    Args:
        samples: Those that share images should come together.
        open_image: Gives the picture of a reference and content hash.
        models: The checkpoints.
        advance: Called with the samples that a step has finished (a fraction: a step is one checkpoint's).

    Returns:
        Norm and projected gradient, shape (n_samples, n_checkpoints, 1 + n_projected); for a sample that is left out,
        why (``MARKS``) and NaN.

    Raises:
        ModelError: If a gradient is not finite, or the device's memory does not hold a single sample.
    """
    # The checkpoint in memory comes first: all have the base's processor and vision tower, so that no value changes.
    order = models.order()
    first, batch_size = models[order[0]].vlm, models.settings.batch_size
    pictures = Pictures(first.processor, open_image)
    encoded, left_out = Encoder.of(first, pictures, max_tokens=models.base_settings.max_tokens).encode(samples)
    del first
    encoded.sort(key=lambda row: len(row.input_ids))  # so that a batch has little padding
    batches = [encoded[start : start + batch_size] for start in range(0, len(encoded), batch_size)]
    feed = ImageFeed(pictures, kept=models.kept)
    advance(len(left_out))
    places = {sample.sample_id: place for place, sample in enumerate(samples)}
    values = np.full((len(samples), len(models), 1 + models.settings.n_projected), np.nan, dtype=np.float32)
    for sample_id, reason in left_out.items():
        values[places[sample_id], :, 0] = MARKS[reason]
    for number in order:
        # By a generator, so that nothing holds its model while the next is loaded.
        for batch, read in _read_checkpoint(models, number, feed, batches):
            values[[places[row.sample_id] for row in batch], number] = read
            advance(len(batch) / len(models))
    return values


def _read_checkpoint(
    models: WarmupModels, number: int, feed: ImageFeed, batches: Sequence[Sequence[Encoded]]
) -> Iterator[tuple[Sequence[Encoded], FloatArray]]:
    """Batches, each with its norms and projected gradients at one checkpoint."""
    model = models[number]
    for batch, images in feed.feed(model.vlm, batches):
        yield batch, _read_batch(model, batch, images)


def _read_batch(model: _Model, batch: Sequence[Encoded], images: ImageInputs) -> FloatArray:
    """Norms and projected gradients of a batch, shape (batch, 1 + n_projected); in halves where memory is short."""
    try:
        read = model.reader.read(_inputs(model.vlm, batch, images))
        values = torch.cat([read.norms[:, None], read.projected], dim=1).cpu().numpy()
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise ModelError(
                f"the device's memory does not hold sample {batch[0].sample_id[:80]!r} of {len(batch[0].input_ids)} "
                "tokens; lower base_model.max_tokens, or use a larger device"
            ) from error
    else:
        bad = [row.sample_id[:80] for row, own in zip(batch, values, strict=True) if not np.isfinite(own).all()]
        if bad:
            raise ModelError(f"the gradients of {bad[:3]} are not finite; lower warmup.learning_rate, or use float32")
        return values
    half = len(batch) // 2
    _LOG.warning("the device's memory did not hold %d samples; reading them in halves", len(batch))
    return np.concatenate([_read_batch(model, part, images) for part in (batch[:half], batch[half:])])


def _inputs(vlm: Vlm, batch: Sequence[Encoded], images: ImageInputs) -> dict[str, Any]:
    """Model inputs of a batch."""
    text = collate_text(batch, pad_id=pad_token_id(vlm.processor.tokenizer), padding_side="right")
    units = [unit for row in batch for unit in row.units]
    return text | (images(units) if units else {})
