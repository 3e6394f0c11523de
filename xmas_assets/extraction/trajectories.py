"""Trajectories: the leading singular values of every sample's cross-modal attention, at every checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from xmas_assets.contracts.signal_settings import TrajectorySettings
from xmas_assets.vlm.capture import Captured, CaptureSpec, Definition
from xmas_assets.vlm.spectra import leading_singular_values


@dataclass(frozen=True)
class AttentionSpectra:
    """Leading singular values of a row's cross-modal attention, summed over layers.

    Attributes:
        definition: ``causal`` for the model's own probabilities, ``reference`` for the published code's arithmetic.
        n_values: Singular values per checkpoint, descending; zeros where a matrix has fewer.

    Source:
        XMAS (arXiv 2510.01454); all k values are kept, their sum is the paper's trajectory value.
    """

    definition: Definition
    n_values: int
    name: ClassVar[str] = "attention_trajectories"
    every_checkpoint: ClassVar[bool] = True
    needs_image: ClassVar[bool] = True
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, settings: TrajectorySettings) -> "AttentionSpectra":
        """The signal as a profile has it."""
        return cls(settings.definition, settings.n_values)

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        """Give the sum over layers."""
        return CaptureSpec(attention=self.definition)

    def columns(self, language_config: Any) -> Mapping[str, tuple[int, ...]]:
        """Give ``values``, (n_values,)."""
        return {"values": (self.n_values,)}

    def read(self, captured: Captured) -> Mapping[str, NDArray[np.float32]]:
        """Take the singular values; NaN for rows without an image."""
        attention = captured.attention
        assert attention is not None
        values = leading_singular_values(attention.layers["sum"], self.n_values)
        has_image = attention.is_column.any(1, keepdim=True)
        return {"values": values.where(has_image, torch.nan).float().cpu().numpy()}
