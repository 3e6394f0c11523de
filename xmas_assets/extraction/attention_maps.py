"""Attention maps: where in an image the text looks, on a fixed grid or projected by a seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, pad

from xmas_assets.contracts.signal_settings import AttentionMapSettings
from xmas_assets.vlm.capture import Attention, Captured, CaptureSpec, attention_layers
from xmas_assets.vlm.grids import Layout


@dataclass(frozen=True)
class AttentionMaps:
    """How much a row's text attends to each part of its images, by the model's own attention, at every checkpoint.

    A map has a value per image token: the mean over the text tokens after the first image token, or over answer tokens
    only; or a leading right singular vector of that text-by-image matrix, times its singular value, its largest entry
    made positive. Maps are brought to one length for all images and averaged over a row's images.

    A cell of the grid is the mean of the tokens there. Where the model sees a picture as a whole and in tiles, each
    gives a map, and the two are averaged with their numbers of tokens as weights.

    Source:
        Our own, after XMAS (arXiv 2510.01454), which keeps the singular values only; its published code can also keep
        projected right singular vectors.
    """

    settings: AttentionMapSettings
    name: ClassVar[str] = "attention_maps"
    every_checkpoint: ClassVar[bool] = True
    needs_image: ClassVar[bool] = True
    version: ClassVar[int] = 2

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        """Give the attention summed over layers, or that of each that has a matrix."""
        layers = ("sum",) if self.settings.layers == "sum" else attention_layers(language_config)
        return CaptureSpec("causal", layers, places=self.settings.reduction == "grid")

    def columns(self, language_config: Any) -> Mapping[str, tuple[int, ...]]:
        """Give ``values``, per row (n_dimensions,): layer by layer, and in that vector by vector."""
        return {"values": (len(self.capture_spec(language_config).attention_layers) * self._n_values,)}

    def read(self, captured: Captured) -> Mapping[str, NDArray[np.float32]]:
        """Make the maps; NaN for rows without an image, or without a text token that could see it.

        An image whose tokens' places are not known is projected, to as many dimensions as the grid has cells.
        """
        attention = captured.attention
        assert attention is not None
        if not attention.is_column.any():
            shape = len(attention.rows), len(attention.layers) * self._n_values
            return {"values": np.full(shape, np.nan, dtype=np.float32)}
        is_row = attention.is_row
        if self.settings.content == "answer_mean":
            is_row = is_row & captured.is_answer.gather(1, attention.rows)
        maps = torch.cat([self._maps(matrices, is_row) for matrices in attention.layers.values()], dim=1)
        values = _mean_over_images(maps, attention, self._to_fixed_length).flatten(1)
        return {"values": values.where(is_row.any(1, keepdim=True), torch.nan).float().cpu().numpy()}

    @property
    def _n_values(self) -> int:
        """Values of one layer."""
        return self._length * (self.settings.n_vectors if self.settings.content == "right_vectors" else 1)

    @property
    def _length(self) -> int:
        """Values of one map."""
        return self.settings.grid_side**2 if self.settings.reduction == "grid" else self.settings.n_dimensions

    def _maps(self, matrices: Tensor, is_row: Tensor) -> Tensor:
        """One layer's maps, shape (batch, n_vectors or 1, n_columns), float64."""
        if self.settings.content == "right_vectors":
            return _right_vectors(matrices.double(), self.settings.n_vectors)
        sums = (matrices * is_row[:, :, None]).sum(1, keepdim=True, dtype=torch.float64)
        return sums / is_row.sum(1)[:, None, None]

    def _to_fixed_length(self, maps: Tensor, layout: Layout) -> Tensor:
        """Bring maps of images, shape (n_images, n_maps, n_tokens), to a length that all images have."""
        if self.settings.reduction == "projection" or not layout:
            return maps @ _projection(maps.shape[2], self._length, self.settings.seed).to(maps.device)
        views = [torch.from_numpy(view.places).to(maps.device) for view in layout]
        n_placed = sum(places.numel() for places in views)
        cells = [adaptive_avg_pool2d(maps[:, :, places], self.settings.grid_side) for places in views]
        weighted = [own * (places.numel() / n_placed) for own, places in zip(cells, views, strict=True)]
        return reduce(torch.add, weighted).flatten(2)


def _right_vectors(matrices: Tensor, n_vectors: int) -> Tensor:
    """Leading right singular vectors times their singular values, shape (batch, n_vectors, n_columns).

    From the Gram matrix of the text side, whose eigenvectors u give ``u^T A = s v^T``. Zeros where there are fewer.
    """
    _, left = torch.linalg.eigh(matrices @ matrices.transpose(1, 2))
    vectors = left[:, :, -n_vectors:].flip(2).transpose(1, 2) @ matrices
    largest = vectors.gather(2, vectors.abs().argmax(2, keepdim=True))
    return pad(vectors * largest.sign(), (0, 0, 0, n_vectors - vectors.shape[1]))


def _mean_over_images(
    maps: Tensor, attention: Attention, to_fixed_length: Callable[[Tensor, Layout], Tensor]
) -> Tensor:
    """Mean over each row's images of their maps at a fixed length, shape (batch, n_maps, length); NaN without one.

    Args:
        maps: Shape (batch, n_maps, n_columns).
        attention: Says which image a column belongs to, and where in it.
        to_fixed_length: From shape (n_images, n_maps, n_tokens), for images of equally many tokens that lie alike.
    """
    is_first = attention.is_column & (attention.image_numbers != attention.image_numbers.roll(1, dims=1))
    is_first[:, 0] = attention.is_column[:, 0]
    rows, starts = is_first.nonzero(as_tuple=True)
    image_of_column = is_first.flatten().cumsum(0) - 1
    n_tokens = image_of_column[attention.is_column.flatten()].bincount()
    layouts = [layout for row in attention.layouts for layout in row]
    kinds = list(zip(n_tokens.tolist(), layouts, strict=True))
    parts = []
    for kind in sorted(set(kinds)):
        count, layout = kind
        images = torch.tensor([number for number, each in enumerate(kinds) if each == kind], device=starts.device)
        places = starts[images, None] + torch.arange(count, device=starts.device)
        own = maps[rows[images]].gather(2, places[:, None].expand(-1, maps.shape[1], -1))
        parts.append((rows[images], to_fixed_length(own, layout)))
    reduced = torch.cat([part for _, part in parts])
    of_row = torch.cat([of_row for of_row, _ in parts])
    totals = reduced.new_zeros(len(maps), *reduced.shape[1:]).index_add(0, of_row, reduced)
    return totals / is_first.sum(1)[:, None, None]


@lru_cache(maxsize=16)
def _projection(n_tokens: int, n_dimensions: int, seed: int) -> Tensor:
    """Gaussian projection that keeps lengths on average, shape (n_tokens, n_dimensions), float64.

    A token's direction depends on its place in the image only, not on how many come after it.
    """
    directions = np.random.default_rng(seed).standard_normal((n_tokens, n_dimensions))
    return torch.from_numpy(directions / np.sqrt(n_dimensions))
