"""Images in two halves: the frozen vision tower, run once per image, and the trained connector, run per checkpoint.

Where the connector cannot be run on its own, an image's finished features are kept, once per image and checkpoint.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from xmas_assets.contracts.libraries import SEEING, library_versions
from xmas_assets.vlm.feature_store import tensor_digest
from xmas_assets.vlm.image_inputs import Pictures, Unit, join_images
from xmas_assets.vlm.image_preparer import ImageHalf
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.token_spans import LOSS_WEIGHTS

PIXELS = "pixel_values"
# Of what a family's features hold, what the language model reads, with a piece per image, or per layer. Anything else
# is the same for all images (Ovis2's vectors of the tokens around an image), but for what the tower shows of itself.
_PER_IMAGE, _PER_LAYER = "pooler_output", "deepstack_features"
_OF_TOWER = {"last_hidden_state", "hidden_states", "attentions"}
_AT_ONCE = 16  # units of images
# Raised when the same tower and image would give other features, so that those kept on disk are not taken.
_VERSION = 1


class ConnectorReachedError(Exception):
    """Everything before the connector was computed."""


class ImageFeatures:
    """What images are to the language model, each computed once; kept on the CPU, in the model's own precision."""

    def __init__(self, *, of_tower: bool) -> None:
        """Start without any.

        Args:
            of_tower: Whether the tower's output is kept, for a model that ``has_separate_tower``, and the connector of
                any checkpoint run on it; else the features of one checkpoint are kept as they are.
        """
        self._of_tower = of_tower
        self._values: dict[tuple[str, ...], Any] = {}
        self._others: dict[tuple[str, ...], dict[str, Tensor]] = {}
        self._is_tensor = False

    def add(self, vlm: Vlm, halves: Mapping[Unit, ImageHalf]) -> None:
        """Run images through the vision side; a tower that is kept sees several of one size at once.

        Args:
            vlm: A model.
            halves: What the processor made of each unit of images.
        """
        for units in _of_one_size(halves, at_once=_AT_ONCE if self._of_tower else 1):
            caught, features = _run_images(vlm, join_images([halves[unit].tensors for unit in units]))
            self._is_tensor = isinstance(features[_PER_IMAGE], Tensor)
            values: Sequence[Any] = [_moved(features, "cpu")]
            if self._of_tower and caught is not None:
                values = caught.cpu().chunk(len(units))
            for unit, value in zip(units, values, strict=True):
                self._values[unit.hashes] = value
                others = {name: tensor for name, tensor in halves[unit].tensors.items() if name != PIXELS}
                self._others[unit.hashes] = others

    def add_all(self, vlm: Vlm, units: Iterable[Unit], pictures: Pictures) -> "ImageFeatures":
        """Run distinct images through the vision side, unless they are there."""
        lacking = list(dict.fromkeys(unit for unit in units if unit.hashes not in self._values))
        for start in range(0, len(lacking), _AT_ONCE):
            self.add(vlm, {unit: pictures.half(unit) for unit in lacking[start : start + _AT_ONCE]})
        return self

    def inputs(self, vlm: Vlm, units: Sequence[Unit]) -> dict[str, Any]:
        """Model inputs that stand in for the pixels of a batch.

        Args:
            vlm: The checkpoint whose connector is used.
            units: The batch's images in order.

        Returns:
            Keyword arguments for the model.
        """
        # Questions on one image stand together, so the connector too runs once per image and batch.
        distinct = list(dict.fromkeys(unit.hashes for unit in units))
        values = [self._values[hashes] for hashes in distinct]
        if self._of_tower:
            connected = _connect(vlm, torch.cat(values).to(vlm.model.device)).split([len(value) for value in values])
            pieces = [{_PER_IMAGE: part if self._is_tensor else tuple(part)} for part in connected]
        else:
            pieces = [_moved(value, vlm.model.device) for value in values]
        own = dict(zip(distinct, pieces, strict=True))
        output = SimpleNamespace(**_joined([own[unit.hashes] for unit in units]))
        return join_images([self._others[unit.hashes] for unit in units]) | {"mm_encoder_outputs": {"image": output}}


def feature_inputs(vlm: Vlm, units: Sequence[Unit], pictures: Pictures, *, of_tower: bool) -> dict[str, Any]:
    """Model inputs that stand in for the pixels of images, made for this once."""
    return ImageFeatures(of_tower=of_tower).add_all(vlm, units, pictures).inputs(vlm, units)


def has_separate_tower(vlm: Vlm, halves: Sequence[ImageHalf]) -> bool:
    """Whether the model's image tokens are exactly its connector's output on its tower's features, tried on images."""
    seen = [_run_images(vlm, half.tensors) for half in halves]
    if len({None if caught is None else caught.shape[1:] for caught, _ in seen} | {None}) != 2:
        return False  # no connector of its own, or features of different sizes, which cannot run together
    for caught, features in seen:
        assert caught is not None
        try:
            found = _connect(vlm, caught)
        except TypeError:  # it wants to know more than the tower's features
            return False
        expected = features[_PER_IMAGE]
        if set(features) != {_PER_IMAGE} or len(found) != len(expected) or not all(map(torch.equal, found, expected)):
            return False
    return True


def tower_digest(vlm: Vlm) -> str:
    """Hex SHA-256 of the vision tower's weights, of nothing if it has none: equal digests give equal features."""
    digest = hashlib.sha256()
    tower = getattr(vlm.model.base_model, "vision_tower", nn.Module())
    for name, values in tower.state_dict().items():
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def features_name(vlm: Vlm, seen: Sequence[Tensor]) -> str:
    """Hex SHA-256 of everything that decides what a model's tower makes of an image, but the image.

    Args:
        vlm: A model that ``has_separate_tower``.
        seen: What its tower makes of some images in the way at hand: layer, precision, threads and machine show in it.
    """
    processor = vlm.processor.image_processor
    digest = hashlib.sha256(f"{_VERSION} {library_versions(SEEING)} {type(processor).__name__}\n".encode())
    digest.update(json.dumps(processor.to_dict(), sort_keys=True, default=str).encode())
    device, threads = vlm.model.device.type, torch.get_num_threads()
    digest.update(f"{tower_digest(vlm)} {device} {threads} {torch.backends.cpu.get_cpu_capability()}\n".encode())
    for features in seen:
        digest.update(tensor_digest(features))
    return digest.hexdigest()


@torch.no_grad()
def tower_features(vlm: Vlm, inputs: Mapping[str, Tensor]) -> Tensor:
    """What the tower of a model that ``has_separate_tower`` makes of images, for its connector, which is not run.

    Args:
        vlm: The model; its tower's weights are frozen.
        inputs: As the model takes them, on its device.
    """
    caught: list[Tensor] = []

    def catch(_module: Any, given: tuple[Tensor, ...]) -> None:
        caught.append(given[0])
        raise ConnectorReachedError

    handle = vlm.model.base_model.multi_modal_projector.register_forward_pre_hook(catch)
    try:
        vlm.model.get_image_features(**inputs)
    except ConnectorReachedError:
        return caught[0]
    finally:
        handle.remove()
    raise AssertionError("the connector was not run")


def gives_one_tensor(vlm: Vlm, half: ImageHalf) -> bool:
    """Whether a model has the features of several images in one tensor, not in a tensor for each."""
    return isinstance(_run_images(vlm, half.tensors)[1][_PER_IMAGE], Tensor)


def connected(vlm: Vlm, features: Tensor, *, is_tensor: bool) -> dict[str, Any]:
    """Model inputs that stand in for the pixels of images, in training too: the connector learns from them.

    Args:
        vlm: A model that ``has_separate_tower``.
        features: Its ``tower_features`` of the images.
        is_tensor: Whether it ``gives_one_tensor``.
    """
    made = vlm.model.base_model.multi_modal_projector(features)
    return {"mm_encoder_outputs": {"image": SimpleNamespace(pooler_output=made if is_tensor else tuple(made))}}


def image_features(vlm: Vlm, halves: Sequence[ImageHalf]) -> list[Tensor]:
    """What the language model reads of each unit of images, shape (n_tokens, width)."""
    made = [_run_images(vlm, half.tensors)[1][_PER_IMAGE] for half in halves]
    return [torch.cat(list(pieces)) for pieces in made]


@torch.inference_mode()
def _connect(vlm: Vlm, features: Tensor) -> Tensor:
    return vlm.model.base_model.multi_modal_projector(features)


@torch.inference_mode()
def _run_images(vlm: Vlm, tensors: Mapping[str, Tensor]) -> tuple[Tensor | None, dict[str, Any]]:
    """The input of a connector that stands alone, if there is one, and the features that the model makes of images."""
    caught: list[Tensor] = []
    connector = getattr(vlm.model.base_model, "multi_modal_projector", nn.Identity())
    handle = connector.register_forward_pre_hook(lambda _module, inputs: caught.extend(inputs[:1]))
    try:
        made = vlm.model.get_image_features(**placed(tensors, vlm.model))
    finally:
        handle.remove()
    features = {name: value for name, value in made.items() if name not in _OF_TOWER and value is not None}
    return caught[0] if len(caught) == 1 else None, features


def _of_one_size(halves: Mapping[Unit, ImageHalf], *, at_once: int) -> Iterator[list[Unit]]:
    """Units whose tensors have the same shapes, some at a time."""
    alike: dict[Any, list[Unit]] = {}
    for unit, half in halves.items():
        alike.setdefault(tuple((name, tensor.shape) for name, tensor in half.tensors.items()), []).append(unit)
    for units in alike.values():
        for start in range(0, len(units), at_once):
            yield units[start : start + at_once]


def placed(inputs: Any, model: Any) -> dict[str, Any]:
    """Tensors on the model's device, its inputs in its precision unless they hold integers; anything else as it is."""
    tensors = {
        name: value.to(model.device, model.dtype if value.is_floating_point() and name != LOSS_WEIGHTS else value.dtype)
        for name, value in inputs.items()
        if isinstance(value, Tensor)
    }
    return dict(inputs) | tensors


def _joined(pieces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Features of several units, in the containers that the family has."""
    joined: dict[str, Any] = {}
    for name, first in pieces[0].items():
        values = [piece[name] for piece in pieces]
        if name == _PER_LAYER:
            joined[name] = type(first)(_in_a_row(layer) for layer in zip(*values, strict=True))
        else:
            joined[name] = _in_a_row(values) if name == _PER_IMAGE else first
    return joined


def _in_a_row(values: Sequence[Any]) -> Any:
    """Tensors below each other, or the pieces of lists one after the other."""
    if isinstance(values[0], Tensor):
        return torch.cat(list(values))
    return type(values[0])(piece for value in values for piece in value)


def _moved(features: Any, device: torch.device | str) -> Any:
    if isinstance(features, Tensor):
        return features.to(device)
    if isinstance(features, dict):
        return {name: _moved(value, device) for name, value in features.items()}
    return type(features)(_moved(part, device) for part in features)
