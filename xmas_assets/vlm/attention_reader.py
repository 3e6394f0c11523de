"""Collects a batch's cross-modal attention while a model runs; where it comes from is ``attention``'s."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.capture import Attention, CaptureSpec, Layer
from xmas_assets.vlm.packing import Batch, Group, Packed, Padded
from xmas_assets.vlm.prompts import Encoded


class EverythingSeenError(Exception):
    """Not a fault: ends a forward pass of which nothing more is needed."""


class AttentionReader:
    """Collects a batch's cross-modal attention layer by layer."""

    def __init__(self, batch: Batch, layout: Padded | Packed, spec: CaptureSpec, *, last_layer: int | None) -> None:
        """Take what is to be read.

        Args:
            batch: The rows.
            layout: How they stand before the model.
            spec: Which attention of which layers.
            last_layer: The layer whose attention is the last thing needed of the pass, if it is.
        """
        self.layout = layout
        self.definition = spec.attention
        self.last_layer = last_layer
        self.is_real = batch.is_real
        self.rows, self.is_row = positions_of(batch.is_real & ~batch.is_image & (batch.is_image.cumsum(1) > 0))
        self.columns, self.is_column = positions_of(batch.is_image)
        self.spots = [_spot(group, batch) for group in layout.groups] if isinstance(layout, Packed) else []
        self._encoded = batch.rows
        self._layers = spec.attention_layers
        self._parts: dict[Layer, list[Tensor]] = {}

    @property
    def is_needed(self) -> bool:
        """Whether there is any text that could look at an image, and anybody wants to know."""
        return self.definition is not None and self.rows.shape[1] > 0

    def reads(self, layer: int) -> bool:
        """Whether a layer's attention is to be read."""
        return self.is_needed and ("sum" in self._layers or layer in self._layers)

    def reads_probabilities(self, layer: int) -> bool:
        """Whether a layer's own probabilities are to be read."""
        return self.definition == "causal" and self.reads(layer)

    def side_by_side(self, states: Tensor) -> Tensor:
        """States of all positions of each row, shape (n_rows, n_tokens, width)."""
        return self.layout.at(
            states, torch.arange(self.is_real.shape[1], device=states.device).expand(self.is_real.shape)
        )

    def add(self, layer: int, parts: list[Tensor]) -> None:
        """Take a layer's probabilities, as one tensor of shape (n_rows, n_text, n_tokens) or as parts of the pack."""
        for wanted in self._layers if self.reads(layer) else ():
            if wanted == layer or (wanted == "sum" and wanted not in self._parts):
                self._parts[wanted] = [part.clone() for part in parts]
            elif wanted == "sum":
                for total, part in zip(self._parts["sum"], parts, strict=True):
                    total += part
        if layer == self.last_layer:
            raise EverythingSeenError

    def result(self) -> Attention:
        """What was read."""
        nothing = torch.zeros(*self.rows.shape, self.columns.shape[1], device=self.rows.device)
        missing = [layer for layer in self._layers if layer not in self._parts]
        if missing and self.is_needed:
            raise ModelError(
                f"the attention of this model's layer {missing[0]!r} cannot be read as '{self.definition}'; use a "
                "model whose layers call transformers' AttentionInterface (causal) or have q_proj and k_proj "
                "(reference)"
            )
        layers: dict[Layer, Tensor] = {
            layer: self._matrices(self._parts[layer]) if self.is_needed else nothing for layer in self._layers
        }
        numbers = _image_numbers(self._encoded, self.columns.shape[1]).to(self.columns.device)
        layouts = [row.layouts for row in self._encoded]
        return Attention(layers, self.rows, self.is_row, self.columns, self.is_column, numbers, layouts)

    def _matrices(self, parts: list[Tensor]) -> Tensor:
        """Bring parts into shape (n_rows, most text tokens, most image tokens), zeros beyond a sample's own."""
        if self.definition == "reference" or isinstance(self.layout, Padded):
            chosen = parts[0].gather(2, self.columns[:, None, :].expand(-1, self.rows.shape[1], -1))
            return chosen.masked_fill(~(self.is_row[:, :, None] & self.is_column[:, None, :]), 0.0)
        matrices = torch.zeros(*self.rows.shape, self.columns.shape[1], device=self.rows.device)
        pieces = iter(parts)
        for group, spot in zip(self.layout.groups, self.spots, strict=True):
            if not len(spot.columns):
                continue
            between, own = next(pieces)[:, spot.columns], next(pieces)[:, spot.columns]
            for number, part in zip(group.rows, own.split(group.lengths), strict=True):
                matrix = torch.cat([between, part])
                matrices[number, : matrix.shape[0], : matrix.shape[1]] = matrix
        return matrices


class Spot(NamedTuple):
    """Where a group's shared beginning has image tokens (counted from the first), and text between images."""

    first_image: int
    columns: Tensor
    between: Tensor


def _spot(group: Group, batch: Batch) -> Spot:
    is_image = batch.rows[group.rows[0]].is_image[: group.n_shared]
    if not is_image.any():
        return Spot(group.n_shared, *(torch.empty(0, dtype=torch.int64),) * 2)
    first = int(np.argmax(is_image))
    images, texts = np.flatnonzero(is_image[first:]), np.flatnonzero(~is_image[first:]) + first
    return Spot(first, *(torch.from_numpy(places).to(batch.is_real.device) for places in (images, texts)))


def _image_numbers(rows: Sequence[Encoded], n_columns: int) -> Tensor:
    """Which of its row's images each image token belongs to, shape (n_rows, n_columns); 0 beyond a row's own."""
    numbers = np.zeros((len(rows), n_columns), dtype=np.int64)
    for own, row in zip(numbers, rows, strict=True):
        counts = np.array(row.n_image_tokens, dtype=np.int64)
        own[: counts.sum()] = np.repeat(np.arange(len(counts)), counts)
    return torch.from_numpy(numbers)


def positions_of(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the true entries of each row, shape (batch, most in a row), and which of them are no filling."""
    counts = chosen.sum(1, keepdim=True)
    n_most = int(counts.max())
    positions = (~chosen).to(torch.uint8).argsort(dim=1, stable=True)[:, :n_most]
    return positions, torch.arange(n_most, device=chosen.device) < counts
