"""Gradients of a checkpoint's LoRA weights, one per sample of a batch, out of a single backward pass."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from xmas_assets.core.adam import adam_direction
from xmas_assets.extraction.projection import Projection
from xmas_assets.vlm.adapters import AdamState, LoraLayer
from xmas_assets.vlm.answers import answer_logits
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.vision_features import placed


class Read(NamedTuple):
    """Gradients of a batch.

    Attributes:
        norms: L2 norms of the plain gradients before projection, shape (batch,), float32.
        projected: Shape (batch, n_projected), float32.
    """

    norms: Tensor
    projected: Tensor


class GradientReader:
    """Reads the gradient of each sample's loss, the mean over its answer tokens, with respect to LoRA weights.

    In the mean each token counts by its weight, as in training: sum(w * loss) / sum(w) of the row.
    No weight has a gradient of its own: the input of a linear layer and the
    gradient at its output give each sample's gradient of both LoRA matrices, by a sum over tokens. It is projected
    layer by layer, so that memory holds one layer's. There is no dropout.
    """

    def __init__(
        self, vlm: Vlm, lora: Mapping[str, LoraLayer], projection: Projection, *, adam: AdamState | None = None
    ) -> None:
        """Take a checkpoint.

        Args:
            vlm: The checkpoint on its base; no gradient is kept in its weights.
            lora: The checkpoint's LoRA layers by the names of the linear layers.
            projection: Of the gradients.
            adam: With it, what is projected is the direction in which Adam would move the weights, else the gradient.
        """
        self._vlm = vlm
        self._lora = lora
        self._projection = projection
        self._adam = adam
        vlm.model.requires_grad_(False)

    def read(self, inputs: dict[str, Any]) -> Read:
        """Read the gradients of a batch, right-padded, each sample with an answer.

        Args:
            inputs: As from ``vlm.batches.collate``.
        """
        layers: list[tuple[Tensor, Tensor]] = []
        with torch.enable_grad(), self._watching(layers):
            answers = answer_logits(self._vlm.model, placed(inputs, self._vlm.model))
            (answers.losses() * answers.shares()).sum().backward()
        squares, projected = zip(*layers, strict=True)
        return Read(torch.stack(squares).sum(0).sqrt(), torch.stack(projected).sum(0))

    @contextmanager
    def _watching(self, layers: list[tuple[Tensor, Tensor]]) -> Iterator[None]:
        """Let the backward pass append what each layer's gradients come to."""

        def watch(name: str, _module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            entering = args[0].detach()
            output.register_hook(lambda leaving: layers.append(self._of_layer(name, entering, leaving)))

        # Nothing in the model asks for gradients, so they are asked for from the embeddings on.
        embeddings = self._vlm.model.get_input_embeddings()
        handles = [embeddings.register_forward_hook(lambda _module, _args, output: output.requires_grad_())]
        handles += [
            self._vlm.model.get_submodule(name).register_forward_hook(partial(watch, name)) for name in self._lora
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @torch.no_grad()
    def _of_layer(self, name: str, entering: Tensor, leaving: Tensor) -> tuple[Tensor, Tensor]:
        """Squared norms, shape (batch,), and projections, shape (batch, n_projected), of one layer's gradients.

        Args:
            name: Of the linear layer.
            entering: Its input, shape (batch, n_tokens, n_in).
            leaving: The gradient at its output, shape (batch, n_tokens, n_out).
        """
        down, up, scale = self._lora[name]
        entering, leaving = entering.float(), leaving.float() * scale
        of_down = torch.einsum("btr,bti->bri", leaving @ up, entering)
        of_up = torch.einsum("bto,btr->bor", leaving, entering @ down.T)
        gradients = torch.cat([of_down.flatten(1), of_up.flatten(1)], dim=1)
        squares = gradients.square().sum(1)
        if self._adam is not None:
            first, second = self._adam.moments[name]
            gradients = adam_direction(
                gradients, first, second, step=self._adam.step, betas=self._adam.betas, epsilon=self._adam.epsilon
            )
        return squares, self._projection.project(name, gradients)
