"""How strongly a sample's text looks at its images: cross-modal attention, read while the model runs its fast kernel.

Rows are the real text tokens after the sample's first image token, columns its image tokens, in sequence order; so
any number of images and turns works, and text before the first image (which cannot see it) is left out. The published
code starts one row later, which drops the line break behind the image in its one prompt template; we keep that row.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.spectra import causal_probabilities, leading_singular_values, reference_probabilities

Definition = Literal["causal", "reference"]
_INTERFACE = "xmas_text_rows"
# Arguments that change the probabilities in ways that the fast kernel's call does not show.
_UNSUPPORTED = ("softcap", "position_bias", "s_aux", "sinks")


class _LastLayerReadError(Exception):
    """Not a fault: ends the forward pass, of which nothing more is needed."""


class _Total:
    """Sum over layers of the probabilities of the text rows, shape (batch, n_rows, n_tokens)."""

    def __init__(self, rows: Tensor, is_real: Tensor, *, last_layer: int) -> None:
        self.rows = rows
        self.is_real = is_real
        self.probabilities = torch.zeros(*rows.shape, is_real.shape[1], device=rows.device)
        self.n_layers = 0
        self._last_layer = last_layer

    def add(self, layer: Any, probabilities: Tensor) -> None:
        """Add a layer's; layers that do not know their place are added too, and then the pass runs to its end."""
        self.probabilities += probabilities
        self.n_layers += 1
        if getattr(layer, "layer_idx", None) == self._last_layer:
            raise _LastLayerReadError


_TOTAL: ContextVar[_Total] = ContextVar("cross_modal_total")


def cross_modal_spectra(vlm: Vlm, batch: Mapping[str, Any], *, definition: Definition, n_values: int) -> np.ndarray:
    """Leading singular values of each sample's cross-modal attention; independent of batch mates and padding side.

    Args:
        vlm: The model.
        batch: Model inputs of some samples, as ``prompts.collate`` makes them (``input_ids`` and ``attention_mask`` of
            shape (batch, n_tokens), and the images). ``labels`` are not looked at.
        definition: ``causal`` for the model's own probabilities, ``reference`` for the published code's arithmetic.
        n_values: Singular values per sample.

    Returns:
        Shape (batch, n_values), float32, descending. Zeros where a matrix has fewer values, and for samples without an
        image: those have no cross-modal attention, and are told apart by their own flag downstream.

    Raises:
        ModelError: If the model's attention cannot be read, or a value is not finite.

    Source:
        XMAS (arXiv 2510.01454); all k values are kept, their sum is the paper's trajectory value.
    """
    matrices = cross_modal_matrices(vlm, batch, definition=definition)
    if not bool(matrices.isfinite().all()):
        raise ModelError(f"attention of {vlm.directory} is NaN or infinite; its weights are damaged, train it again")
    return leading_singular_values(matrices, n_values).float().cpu().numpy()


@torch.inference_mode()
def cross_modal_matrices(vlm: Vlm, batch: Mapping[str, Any], *, definition: Definition) -> Tensor:
    """Cross-modal attention, summed over layers, of each sample.

    Args:
        vlm: The model.
        batch: As in ``cross_modal_spectra``.
        definition: As in ``cross_modal_spectra``.

    Returns:
        Shape (batch, most text rows of a sample, most image tokens of a sample), float32; smaller samples stand in the
        upper left corner, zeros around them.

    Raises:
        ModelError: If the model's attention layers cannot be read this way.
    """
    inputs = _pad_right({name: _placed(value, vlm.model) for name, value in batch.items() if name != "labels"})
    is_real = inputs["attention_mask"].bool()
    is_image = is_real & (inputs["input_ids"] == vlm.image_token_id)
    is_text_after_image = is_real & ~is_image & (is_image.cumsum(1) > 0)
    rows, is_row = _positions(is_text_after_image)
    columns, is_column = _positions(is_image)
    if rows.shape[1] == 0:
        return torch.zeros(*rows.shape, columns.shape[1])
    decoder = vlm.model.get_decoder()
    total = _Total(rows, is_real, last_layer=decoder.config.num_hidden_layers - 1)
    with _READERS[definition](decoder, total), suppress(_LastLayerReadError):
        # The base model has no LM head, whose output nobody needs here.
        vlm.model.base_model(**inputs, use_cache=False)
    if total.n_layers == 0:
        raise ModelError(
            f"attention of {type(vlm.model).__name__} cannot be read as '{definition}'; use a model whose layers call "
            "transformers' AttentionInterface (causal) or have q_proj and k_proj (reference)"
        )
    matrices = total.probabilities.gather(2, columns[:, None, :].expand(-1, rows.shape[1], -1))
    return matrices.masked_fill(~(is_row[:, :, None] & is_column[:, None, :]), 0.0)


def _placed(value: Any, model: Any) -> Any:
    """A tensor on the model's device, in its precision unless it holds integers; anything else as it is."""
    if not isinstance(value, Tensor):
        return value
    return value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)


def _pad_right(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch with each row's real tokens first, so that positions do not depend on the padding side."""
    is_padding = batch["attention_mask"] == 0
    if not bool((is_padding[:, :-1] & ~is_padding[:, 1:]).any()):
        return batch
    order = is_padding.to(torch.uint8).argsort(dim=1, stable=True)
    per_token = {k: v for k, v in batch.items() if isinstance(v, Tensor) and v.shape == order.shape}
    return batch | {name: value.gather(1, order) for name, value in per_token.items()}


def _positions(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the true entries of each row, shape (batch, most in a row), and which of them are no filling."""
    counts = chosen.sum(1, keepdim=True)
    n_most = int(counts.max())
    positions = (~chosen).to(torch.uint8).argsort(dim=1, stable=True)[:, :n_most]
    return positions, torch.arange(n_most, device=chosen.device) < counts


@contextmanager
def _reading_causal(decoder: Any, total: _Total) -> Iterator[None]:
    """Let the language model's attention layers go through ``_attend`` for as long as the context lasts."""
    before = decoder.config._attn_implementation
    token = _TOTAL.set(total)
    decoder.set_attn_implementation(_INTERFACE)
    try:
        yield
    finally:
        decoder.set_attn_implementation(before)
        _TOTAL.reset(token)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **arguments: Any
) -> tuple[Tensor, None]:
    """The layer's output from the SDPA kernel; on the side, the probabilities of the text rows."""
    odd = [name for name in _UNSUPPORTED if arguments.get(name) is not None]
    if odd:
        raise ModelError(f"{type(module).__name__} uses {odd[0]} in attention, which cannot be read; use another model")
    total = _TOTAL.get()
    scaling = arguments.get("scaling") or query.shape[-1] ** -0.5
    is_causal = arguments.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    allowed = _allowed(total.rows, attention_mask, n_keys=key.shape[2], is_causal=is_causal)
    total.add(module, causal_probabilities(query, key, rows=total.rows, allowed=allowed, scaling=scaling))
    return sdpa_attention_forward(module, query, key, value, attention_mask, **arguments)


def _allowed(rows: Tensor, attention_mask: Tensor | None, *, n_keys: int, is_causal: bool) -> Tensor:
    """The additive mask of the text rows, broadcastable to (batch, n_heads, n_rows, n_keys), as the kernel has it."""
    if attention_mask is None and not is_causal:
        return torch.zeros((), device=rows.device)
    if attention_mask is None:
        may_look = torch.arange(n_keys, device=rows.device) <= rows[:, None, :, None]
    else:
        mask = attention_mask.expand(rows.shape[0], -1, -1, -1)[..., :n_keys]
        may_look = mask.gather(2, rows[:, None, :, None].expand(-1, mask.shape[1], -1, n_keys))
        if may_look.dtype != torch.bool:
            return may_look.float()
    return torch.zeros((), device=rows.device).where(may_look, float("-inf"))


@contextmanager
def _reading_reference(decoder: Any, total: _Total) -> Iterator[None]:
    """Catch the raw outputs of every ``q_proj`` and ``k_proj`` of the language model while the context lasts."""
    handles = []
    for module in decoder.modules():
        if hasattr(module, "q_proj") and hasattr(module, "k_proj"):
            handles += _catch_projections(module, total)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _catch_projections(attention: Any, total: _Total) -> list[Any]:
    """Hook one layer's two projections; whichever comes second completes the layer."""
    caught: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def catch(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            caught[name] = output
            if len(caught) == 2:
                queries, keys = caught.pop("queries"), caught.pop("keys")
                total.add(attention, reference_probabilities(queries, keys, rows=total.rows, is_real=total.is_real))

        return catch

    return [
        attention.q_proj.register_forward_hook(hook("queries")),
        attention.k_proj.register_forward_hook(hook("keys")),
    ]


_READERS = {"causal": _reading_causal, "reference": _reading_reference}
AttentionInterface.register(_INTERFACE, _attend)
AttentionMaskInterface.register(_INTERFACE, sdpa_mask)
