"""Images in two halves: the frozen vision tower, run once per image, and the trained connector, run per checkpoint."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm


class TowerFeatures:
    """What the vision tower hands to the connector, of distinct images; on the CPU, in the tower's own precision."""

    def __init__(self, vlm: Vlm, images: Mapping[str, str], pictures: Pictures, *, batch_size: int) -> None:
        """Run each image through the tower.

        Args:
            vlm: A model that ``has_separate_tower``.
            images: Reference of each image under its content hash.
            pictures: Gives their pixels.
            batch_size: Images per forward pass.
        """
        self._values: dict[str, Tensor] = {}
        hashes = list(images)
        for start in range(0, len(hashes), batch_size):
            part = hashes[start : start + batch_size]
            self.add(vlm, part, pictures.pixels([images[content_hash] for content_hash in part], part))

    def add(self, vlm: Vlm, content_hashes: Sequence[str], pixel_values: Tensor) -> None:
        """Run some more images through the tower, in one forward pass."""
        features = _run_images(vlm, pixel_values)[0].cpu()
        self._values |= zip(content_hashes, features, strict=True)

    def inputs(self, vlm: Vlm, content_hashes: Sequence[str]) -> dict[str, Any]:
        """Model inputs that stand in for the ``pixel_values`` of a batch.

        Args:
            vlm: The checkpoint whose connector is used.
            content_hashes: Of the batch's images in order.

        Returns:
            Keyword arguments for the model.
        """
        # Questions on one image stand together, so the connector too runs once per image and batch.
        distinct = list(dict.fromkeys(content_hashes))
        features = torch.stack([self._values[content_hash] for content_hash in distinct])
        tokens = dict(zip(distinct, _connect(vlm, features.to(vlm.model.device)), strict=True))
        pooled = tuple(tokens[content_hash] for content_hash in content_hashes)
        output = BaseModelOutputWithPooling(pooler_output=pooled)  # pyright: ignore[reportArgumentType]
        return {"mm_encoder_outputs": {"image": output}}


def has_separate_tower(vlm: Vlm, pixel_values: Tensor) -> bool:
    """Whether the model's image tokens are exactly its connector's output on its tower's features, tried on images."""
    if not isinstance(getattr(vlm.model.base_model, "multi_modal_projector", None), nn.Module):
        return False
    features, expected = _run_images(vlm, pixel_values)
    found = _connect(vlm, features)
    return len(found) == len(expected) and all(map(torch.equal, found, expected))


def tower_digest(vlm: Vlm) -> str:
    """Hex SHA-256 of the vision tower's weights, of nothing if it has none: equal digests give equal features."""
    digest = hashlib.sha256()
    tower = getattr(vlm.model.base_model, "vision_tower", nn.Module())
    for name, values in tower.state_dict().items():
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


@torch.inference_mode()
def _connect(vlm: Vlm, features: Tensor) -> Tensor:
    return vlm.model.base_model.multi_modal_projector(features)


@torch.inference_mode()
def _run_images(vlm: Vlm, pixel_values: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The connector's input, and the image tokens, of images run through the whole vision side."""
    caught: list[Tensor] = []
    connector = vlm.model.base_model.multi_modal_projector
    handle = connector.register_forward_pre_hook(lambda _module, inputs: caught.append(inputs[0]))
    try:
        pixels = pixel_values.to(vlm.model.device, vlm.model.dtype)
        tokens = vlm.model.get_image_features(pixel_values=pixels).pooler_output
    finally:
        handle.remove()
    return caught[0], tuple(tokens)
