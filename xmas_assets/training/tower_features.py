"""A frozen vision tower in training: what it makes of an image is computed once, kept on disk, and read by every run.

Only where that gives the same weights, bit for bit (on a GPU, whose sums depend on the batch: but for rounding).
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xmas_assets.training.adapters import answer_loss
from xmas_assets.training.run_directory import Cost
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.feature_store import FeatureStore
from xmas_assets.vlm.image_inputs import Pictures, Unit, join_images
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.probes import draw_probe, probe_rows
from xmas_assets.vlm.prompts import Encoded, pad_token_id
from xmas_assets.vlm.vision_features import (
    PIXELS,
    connected,
    features_name,
    gives_one_tensor,
    has_separate_tower,
    tower_features,
)

Inputs = dict[str, Any]
_LOG = logging.getLogger(__name__)
# What a batch holds next to its text: whether each image's features were kept; those that were, and how many each has;
# of other images, next to their pixels, how many there will be, and under which key to keep them.
_IS_KEPT, _KEPT, _N_KEPT, _N_MADE, _KEYS = "is_kept", "kept_features", "n_kept", "n_made", "feature_keys"
_OWN = (_IS_KEPT, _KEPT, _N_KEPT, _N_MADE, _KEYS, PIXELS)


class Pixels:
    """Gives a batch's images to a model in training as they are."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def inputs(self, units: Iterable[Unit], /) -> dict[str, Tensor]:
        """The image half of a batch; may be called in a thread."""
        return self._pictures.inputs(units)

    def connect(self, batch: Inputs) -> Inputs:
        """The model's inputs, on its device, from a batch with what ``inputs`` gave."""
        return batch

    def close(self) -> None:
        """Keep what was computed for other runs."""


class TowerFeatures(Pixels):
    """Gives them as the tower's features: kept ones where there are some, else such as are computed, and then kept."""

    def __init__(
        self,
        vlm: Vlm,
        pictures: Pictures,
        store: FeatureStore,
        *,
        is_tensor: bool,
        strides: tuple[int, ...],
        cost: Cost,
    ) -> None:
        """Take a model that this was tried on.

        Args:
            vlm: The model.
            pictures: Prepares images that have no features yet.
            store: Of this model's tower.
            is_tensor: Whether it ``gives_one_tensor``.
            strides: Of the tower's features of several images.
            cost: Counts the images.
        """
        super().__init__(pictures)
        self._strides = strides
        self._vlm = vlm
        self._store = store
        self._is_tensor = is_tensor
        self._cost = cost

    def inputs(self, units: Iterable[Unit], /) -> dict[str, Tensor]:
        """Kept features and, of other images, pixels."""
        kept: list[Tensor] = []
        pixels: list[Tensor] = []
        keys: list[bytes] = []
        is_kept: list[bool] = []
        for unit in units:
            key = hashlib.sha256("\n".join(unit.hashes).encode()).digest()
            features = self._store.get(key)
            is_kept.append(features is not None)
            if features is not None:
                kept.append(features)
            else:
                pixels.append(self._pictures.half(unit).tensors[PIXELS])
                keys.append(key)
        batch = {_IS_KEPT: torch.tensor(is_kept)} if is_kept else {}
        if kept:
            batch |= {_KEPT: torch.cat(kept), _N_KEPT: torch.tensor([*map(len, kept)])}
        if pixels:
            named = torch.tensor([*map(list, keys)], dtype=torch.uint8)
            batch |= join_images([{PIXELS: each} for each in pixels])
            batch |= {_KEYS: named, _N_MADE: torch.tensor([*map(len, pixels)])}
        return batch

    def connect(self, batch: Inputs) -> Inputs:
        """Those with what the trained connector makes of the features."""
        if _IS_KEPT not in batch:
            return batch
        others = {name: value for name, value in batch.items() if name not in _OWN}
        return others | connected(self._vlm, self._features(batch), is_tensor=self._is_tensor)

    def close(self) -> None:
        """Keep what was computed for other runs."""
        self._store.commit()

    def _features(self, batch: Inputs) -> Tensor:
        is_kept = batch[_IS_KEPT].tolist()
        self._cost.n_features_read += sum(is_kept)
        if all(is_kept):
            return _laid_out(batch[_KEPT], self._strides)
        made = tower_features(self._vlm, {PIXELS: batch[PIXELS]})
        parts = made.split(batch[_N_MADE].tolist())
        for key, features in zip(batch[_KEYS].tolist(), parts, strict=True):
            self._store.add(bytes(key), features)
        if not any(is_kept):
            return made
        others = iter(batch[_KEPT].split(batch[_N_KEPT].tolist()))
        computed = iter(parts)
        return _laid_out(torch.cat([next(others) if each else next(computed) for each in is_kept]), self._strides)


def keep_tower_features(
    vlm: Vlm,
    model: Any,
    pictures: Pictures,
    *,
    folder: Path,
    limit_bytes: int,
    most_images: int,
    cost: Cost,
) -> Pixels:
    """What gives images to a model in training: as features if it can be, if not as pixels, which is logged.

    To be called under the autocast of training.

    Args:
        vlm: The model.
        model: The same as ``prepare_training`` made it.
        pictures: Of the run.
        folder: Of the features of all towers.
        limit_bytes: How much they may take.
        most_images: The most images that a forward pass has.
        cost: Of the run.
    """
    probes = Pictures(vlm.processor, draw_probe)
    rows = probe_rows(vlm, probes)
    units = [unit for row in rows for unit in row.units]
    halves = {unit: probes.half(unit) for unit in units}
    model.train()  # as it will be: dropout in the tower must show
    with torch.random.fork_rng():
        if any(set(half.tensors) != {PIXELS} for half in halves.values()):
            return _as_pixels(pictures, "the model reads more of an image than pixels")
        if not has_separate_tower(vlm, list(halves.values())):
            return _as_pixels(pictures, "it is not separate from the connector")
        pixels = [half.tensors[PIXELS].to(vlm.model.device) for half in halves.values()]
        seen = [tower_features(vlm, {PIXELS: each}) for each in pixels]
        if not _are_independent(vlm, pixels, seen, most_images):
            return _as_pixels(pictures, "what it makes of an image depends on the batch")
        is_tensor = gives_one_tensor(vlm, halves[units[0]])
        strides = tower_features(vlm, {PIXELS: torch.cat(pixels)}).stride()
        own = dict(zip(halves, seen, strict=True))
        features = _laid_out(torch.cat([own[unit] for unit in units]), strides)
        if not _learns_the_same(vlm, model, rows, probes, connected(vlm, features, is_tensor=is_tensor)):
            return _as_pixels(pictures, "the model does not learn the same from its features")
    store = FeatureStore(folder, features_name(vlm, seen), limit_bytes=limit_bytes)
    return TowerFeatures(vlm, pictures, store, is_tensor=is_tensor, strides=strides, cost=cost)


def _laid_out(features: Tensor, strides: tuple[int, ...]) -> Tensor:
    """The same with other strides: in bfloat16, rounding in the connector's gradients depends on them."""
    if features.stride() == strides:
        return features
    return torch.empty_strided(features.shape, strides, dtype=features.dtype, device=features.device).copy_(features)


def _as_pixels(pictures: Pictures, reason: str) -> Pixels:
    _LOG.info("images run through the frozen vision tower in every epoch: %s", reason)
    return Pixels(pictures)


def _are_independent(vlm: Vlm, pixels: Sequence[Tensor], alone: Sequence[Tensor], most_images: int) -> bool:
    """Whether images give the same among others as alone, and draw no random numbers."""
    for n_images in sorted({2, 3, max(most_images, 2)}):
        chosen = [number % len(pixels) for number in range(n_images)]
        before = torch.get_rng_state()
        together = tower_features(vlm, {PIXELS: torch.cat([pixels[number] for number in chosen])})
        if not torch.equal(before, torch.get_rng_state()):
            return False
        if not _are_alike(together, torch.cat([alone[number] for number in chosen])):
            return False
    return True


def _learns_the_same(vlm: Vlm, model: Any, rows: Sequence[Encoded], probes: Pictures, given: Inputs) -> bool:
    """Whether rows give the same loss and gradients of the connector with features in place of their images."""
    pad_id = pad_token_id(vlm.processor.tokenizer)
    batch = collate(rows, probes, pad_id=pad_id, padding_side="right")
    whole = {name: values.to(vlm.model.device) for name, values in batch.items()}
    text = {name: values for name, values in whole.items() if name != PIXELS}
    weights = [weight for weight in vlm.model.base_model.multi_modal_projector.parameters() if weight.requires_grad]
    found = []
    for inputs in (whole, text | given):
        torch.manual_seed(0)
        loss = answer_loss(model, inputs, 1)
        found.append([loss.detach(), *torch.autograd.grad(loss, weights)])
    return all(map(_are_alike, *found))


def _are_alike(one: Tensor, other: Tensor) -> bool:
    """Whether values are the same; on a GPU, within rounding."""
    if one.shape != other.shape or one.device.type == "cpu":
        return torch.equal(one, other)
    tolerance = max(8 * torch.finfo(one.dtype).eps, 1e-3)
    return bool((one.float() - other.float()).norm() <= tolerance * other.float().norm())
