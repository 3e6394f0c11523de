"""How the text of a batch looks at its images: cross-modal attention, read while the model runs its fast kernel.

Rows are the real text tokens after the sample's first image token, columns its image tokens, in sequence order; so
any number of images and turns works, and text before the first image (which cannot see it) is left out. The published
code starts one row later, which drops the line break behind the image in its one prompt template; we keep that row.

Two attention functions are registered with ``transformers``, one for each layout of a batch. Both leave the layer's
output to the fast kernel where no probability is read, and form no other rows' scores.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.attention_reader import AttentionReader, Spot
from xmas_assets.vlm.packing import Group, Packed, Padded
from xmas_assets.vlm.spectra import (
    attend_behind_shared,
    attend_capped,
    causal_probabilities,
    probabilities_behind_shared,
    reference_probabilities,
)

_PADDED, _PACKED = "xmas_padded", "xmas_packed"
# Arguments that change the probabilities in ways that the fast kernel's call does not show.
_UNSUPPORTED = ("position_bias", "s_aux", "sinks")


_READER: ContextVar[AttentionReader] = ContextVar("attention_reader")


@contextmanager
def reading_attention(decoder: Any, reader: AttentionReader) -> Iterator[None]:
    """Let the language model's attention go through our functions for as long as the context lasts."""
    before = decoder.config._attn_implementation
    handles = _catch_projections(decoder, reader) if reader.definition == "reference" else []
    token = _READER.set(reader)
    decoder.set_attn_implementation(_PADDED if isinstance(reader.layout, Padded) else _PACKED)
    try:
        yield
    finally:
        decoder.set_attn_implementation(before)
        _READER.reset(token)
        for handle in handles:
            handle.remove()


def _attend_padded(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **arguments: Any
) -> tuple[Tensor, None]:
    """The layer's output from the SDPA kernel; on the side, the probabilities of the text rows."""
    reader, scaling, cap = _READER.get(), _scaling(module, query, arguments), arguments.get("softcap")
    is_causal = arguments.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    allowed = partial(_allowed, attention_mask=attention_mask, n_keys=key.shape[2], is_causal=is_causal)
    if reader.reads_probabilities(module.layer_idx):
        probabilities = causal_probabilities(
            query, key, rows=reader.rows, allowed=allowed(reader.rows), scaling=scaling, cap=cap
        )
        reader.add(module.layer_idx, [probabilities])
    if cap is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **arguments)
    everywhere = torch.arange(query.shape[2], device=query.device).expand(len(query), -1)
    return attend_capped(query, key, value, allowed=allowed(everywhere), scaling=scaling, cap=cap), None


def _attend_packed(
    module: Any, query: Tensor, key: Tensor, value: Tensor, _mask: Tensor | None, **arguments: Any
) -> tuple[Tensor, None]:
    """The layer's output of a pack: shared beginnings from the SDPA kernel, own tokens from their probabilities."""
    reader, scaling = _READER.get(), _scaling(module, query, arguments)
    if arguments.get("sliding_window") is not None or arguments.get("softcap") is not None:
        raise ModelError(f"{type(module).__name__} has a sliding window or capped scores, so rows cannot be packed")
    assert isinstance(reader.layout, Packed)
    is_read = reader.reads_probabilities(module.layer_idx)
    parts: list[Tensor] = []
    outputs = value.new_empty(1, query.shape[2], query.shape[1], value.shape[3])
    for group, spot in zip(reader.layout.groups, reader.spots, strict=True):
        queries, keys, values = (states[0, :, group.start : group.stop] for states in (query, key, value))
        n_shared, lengths = group.n_shared, group.lengths
        probabilities = probabilities_behind_shared(
            queries[:, n_shared:], keys, n_shared=n_shared, lengths=lengths, scaling=scaling
        )
        if is_read and len(spot.columns):
            parts += _looks_at_images(queries, keys, probabilities, spot, group, scaling=scaling)
        if reader.last_layer == module.layer_idx:
            continue
        begin_query, begin_key, begin_value = (states[None, :, :n_shared] for states in (queries, keys, values))
        arguments["is_causal"] = True
        outputs[:, group.start : group.own_start] = sdpa_attention_forward(
            module, begin_query, begin_key, begin_value, None, **arguments
        )[0]
        own = attend_behind_shared(probabilities, values, n_shared=n_shared, lengths=lengths)
        outputs[0, group.own_start : group.stop] = own.transpose(0, 1)
    if is_read:
        reader.add(module.layer_idx, parts)
    return outputs, None


def _looks_at_images(
    queries: Tensor, keys: Tensor, probabilities: Tensor, spot: Spot, group: Group, *, scaling: float
) -> list[Tensor]:
    """How a group's text looks at what stands between its first and last image token: shared text, then own."""
    begin = slice(0, group.n_shared)
    rows = spot.between[None]
    allowed = _allowed(rows, attention_mask=None, n_keys=group.n_shared, is_causal=True)
    between = causal_probabilities(
        queries[None, :, begin], keys[None, :, begin], rows=rows, allowed=allowed, scaling=scaling
    )[0]
    images = slice(spot.first_image, group.n_shared)
    return [between[:, images], probabilities[:, :, images].mean(0)]


def _scaling(module: Any, query: Tensor, arguments: dict[str, Any]) -> float:
    """The factor on the scores, of a form of attention that can be read."""
    odd = [name for name in _UNSUPPORTED if arguments.get(name) is not None]
    if odd:
        raise ModelError(f"{type(module).__name__} uses {odd[0]} in attention, which cannot be read; use another model")
    return arguments.get("scaling") or query.shape[-1] ** -0.5


def _allowed(rows: Tensor, *, attention_mask: Tensor | None, n_keys: int, is_causal: bool) -> Tensor:
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


def _catch_projections(decoder: Any, reader: AttentionReader) -> list[Any]:
    """Hook ``q_proj`` and ``k_proj`` of every wanted layer; whichever comes second completes the layer."""
    handles = []
    for module in decoder.modules():
        if hasattr(module, "q_proj") and hasattr(module, "k_proj") and reader.reads(module.layer_idx):
            caught: dict[str, Tensor] = {}
            for name in ("q_proj", "k_proj"):
                catch = partial(_catch, module.layer_idx, name, caught, reader)
                handles.append(getattr(module, name).register_forward_hook(catch))
    return handles


def _catch(
    layer: int, name: str, caught: dict[str, Tensor], reader: AttentionReader, _module: Any, _inputs: Any, out: Tensor
) -> None:
    caught[name] = reader.side_by_side(out)
    if len(caught) == 2:
        queries, keys = caught.pop("q_proj"), caught.pop("k_proj")
        reader.add(layer, [reference_probabilities(queries, keys, rows=reader.rows, is_real=reader.is_real)])


AttentionInterface.register(_PADDED, _attend_padded)
AttentionMaskInterface.register(_PADDED, sdpa_mask)
# Without a mask function of its own: a mask of the whole pack would be large, and nobody looks at it.
AttentionInterface.register(_PACKED, _attend_packed)
