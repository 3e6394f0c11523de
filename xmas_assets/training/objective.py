"""What training may lower in place of the mean loss of the answer tokens."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from xmas_assets.vlm.prompts import Encoded


class Objective(nn.Module):
    """A loss with weights of its own, which are trained together with the model.

    Attributes:
        identity: Says all that the loss depends on beside model and batch.
    """

    identity: str

    @abstractmethod
    def mark(self, rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """Tensors to put into a batch of these rows, by names that are no inputs of the model."""

    @abstractmethod
    def forward(self, model: Any, inputs: dict[str, torch.Tensor], n_answer_tokens: torch.Tensor | int) -> torch.Tensor:
        """Loss of a batch, a share of that of its optimiser step.

        Args:
            model: A causal language model of transformers, or a ``PeftModel`` around one.
            inputs: As from ``vlm.batches.collate``, with what ``mark`` added.
            n_answer_tokens: Of the whole optimiser step.
        """
