"""Signals of what a model makes of a sample's tokens: outputs of attention blocks, and hidden states."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from xmas_assets.contracts.signal_settings import AttendedFeatureSettings, BlockActivationSettings
from xmas_assets.core.activations import activation_features
from xmas_assets.core.token_scores import spectrum_of
from xmas_assets.vlm.capture import Captured, CaptureSpec, attention_layers
from xmas_assets.vlm.spectra import leading_singular_values

Columns = Mapping[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class BlockActivations:
    """Outputs of evenly spaced attention blocks, averaged over a row's image tokens and over its text.

    Text is what follows the first image token; of a text-only row, all of it (the published code takes whatever stands
    where text behind an image would, and fills the image part likewise; here that is 0).

    Source:
        COINCIDE (arXiv 2406.10995), layers 4, 8, 12, 16, 20 of 24, counted from 1; ``core.activations``.
    """

    settings: BlockActivationSettings
    name: ClassVar[str] = "block_activations"
    every_checkpoint: ClassVar[bool] = False
    needs_image: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        """Give the blocks' places."""
        return CaptureSpec(block_outputs=_evenly_spaced(self.settings.n_layers, language_config.num_hidden_layers))

    def columns(self, language_config: Any) -> Shapes:
        """Give ``values``, per row (n_layers, 2, width): the image part first."""
        n_layers = len(self.capture_spec(language_config).block_outputs)
        return {"values": (n_layers, 2, language_config.hidden_size)}

    def read(self, captured: Captured) -> Columns:
        """Average the blocks' outputs."""
        is_image = captured.is_image
        is_text = captured.is_real & ~is_image & ((is_image.cumsum(1) > 0) | ~is_image.any(1, keepdim=True))
        image_means, text_means = (
            torch.stack([_means(block, chosen) for block in captured.block_outputs.values()], dim=1).nan_to_num(nan=0.0)
            for chosen in (is_image, is_text)
        )
        return {"values": activation_features(image_means.cpu().numpy(), text_means.cpu().numpy())}


@dataclass(frozen=True)
class PooledFeatures:
    """Mean over a row's tokens of the last hidden state, after the final norm.

    Source:
        D2-Pruning in COINCIDE's published code. Deviation: there padding is averaged as well.
    """

    name: ClassVar[str] = "features"
    every_checkpoint: ClassVar[bool] = False
    needs_image: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        """Give the last hidden state."""
        return CaptureSpec(hidden_states=(language_config.num_hidden_layers,))

    def columns(self, language_config: Any) -> Shapes:
        """Give ``pooled``, per row (width,)."""
        return {"pooled": (language_config.hidden_size,)}

    def read(self, captured: Captured) -> Columns:
        """Average the hidden state."""
        (hidden,) = captured.hidden_states.values()
        return {"pooled": _means(hidden, captured.is_real).cpu().numpy()}


@dataclass(frozen=True)
class TokenSpectra:
    """How many directions a row's token features fill, and the features of its last token.

    Source:
        DataTailor (arXiv 2412.06293): the second-to-last layer. Deviation: the published code reads the last layer's
        output before the final norm.
    """

    name: ClassVar[str] = "token_spectra"
    every_checkpoint: ClassVar[bool] = False
    needs_image: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        """Give the second-to-last layer's output (the embeddings of a model of one layer)."""
        return CaptureSpec(hidden_states=(language_config.num_hidden_layers - 1,))

    def columns(self, language_config: Any) -> Shapes:
        """Give ``entropy`` and ``leading_share`` (``core.token_scores.Spectrum``), and ``last_token``, (width,)."""
        return {"entropy": (), "leading_share": (), "last_token": (language_config.hidden_size,)}

    def read(self, captured: Captured) -> Columns:
        """Take the spectrum of every row's tokens."""
        (hidden,) = captured.hidden_states.values()
        tokens = hidden.masked_fill(~captured.is_real[:, :, None], 0.0)
        spectrum = spectrum_of(leading_singular_values(tokens, min(tokens.shape[1:])).cpu().numpy())
        last = captured.is_real.sum(1) - 1
        return {
            "entropy": spectrum.entropy.astype(np.float32),
            "leading_share": spectrum.leading_share.astype(np.float32),
            "last_token": tokens[torch.arange(len(tokens), device=last.device), last].float().cpu().numpy(),
        }


@dataclass(frozen=True)
class AttendedFeatures:
    """Mean first-layer output of the image tokens that hold most of the instruction's attention in that layer.

    The first layer is the first that has an attention matrix, which in some models not all have.
    The instruction is the text that is no answer; where none of it follows an image, all image tokens count alike, as
    in the published code. Which tokens are kept: ``hold_share``.

    Source:
        ScalSelect (arXiv 2602.11636).
    """

    settings: AttendedFeatureSettings
    name: ClassVar[str] = "attended_features"
    every_checkpoint: ClassVar[bool] = False
    needs_image: ClassVar[bool] = True
    version: ClassVar[int] = 1

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        """Give the first layer's attention and output."""
        first, *_ = attention_layers(language_config)
        return CaptureSpec(attention="causal", attention_layers=(first,), hidden_states=(first + 1,))

    def columns(self, language_config: Any) -> Shapes:
        """Give ``features``, per row (width,)."""
        return {"features": (language_config.hidden_size,)}

    def read(self, captured: Captured) -> Columns:
        """Average the hidden state of the attended tokens; NaN for rows without an image."""
        attention = captured.attention
        assert attention is not None
        (weights,) = attention.layers.values()
        (hidden,) = captured.hidden_states.values()
        is_instruction = attention.is_row & ~captured.is_answer.gather(1, attention.rows)
        weights = (weights * is_instruction[:, :, None]).sum(1, dtype=torch.float64)
        is_kept = hold_share(weights, attention.is_column, self.settings.attention_share)
        places = attention.columns[:, :, None].expand(-1, -1, hidden.shape[2])
        return {"features": _means(hidden.gather(1, places), is_kept).cpu().numpy()}


def _evenly_spaced(count: int, n_layers: int) -> tuple[int, ...]:
    """Places (from 0) that cut a stack of layers into equal parts, all of them if there are no more than ``count``."""
    count = min(count, n_layers)
    return tuple(-(-n_layers * number // (count + 1)) - 1 for number in range(1, count + 1))


def _means(values: Tensor, is_chosen: Tensor) -> Tensor:
    """Mean over each row's chosen tokens, shape (batch, width), float32; NaN where none is chosen.

    Args:
        values: Shape (batch, n_tokens, width).
        is_chosen: Shape (batch, n_tokens).
    """
    sums = values.masked_fill(~is_chosen[:, :, None], 0.0).sum(1, dtype=torch.float32)
    return sums / is_chosen.sum(1, keepdim=True)


def hold_share(weights: Tensor, is_column: Tensor, share: float) -> Tensor:
    """Which columns hold a share of each row's weight: the heaviest, as few as exceed it. Bool, as ``weights``.

    Args:
        weights: Shape (batch, n_columns), >= 0, float64, zeros beyond a row's own. All zero counts as equal.
        is_column: Which are a row's own.
        share: In (0, 1).

    Source:
        ScalSelect (arXiv 2602.11636), published code ``extract_user_attended_vision``; there equal ones are in no
        defined order, here the first come first.
    """
    weights = weights.where(weights.sum(1, keepdim=True) > 0, is_column.double())
    shares = weights / weights.sum(1, keepdim=True)
    ranked, order = shares.sort(dim=1, descending=True, stable=True)
    held_before = pad(ranked.cumsum(1)[:, :-1], (1, 0))
    return torch.zeros_like(is_column).scatter(1, order, held_before <= share) & is_column
