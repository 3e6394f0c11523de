"""Reading attention by the usual and by the published way, and forward passes that read nothing, to compare ours with.

All take encoded rows as they come, and open a row's image for every batch, as the published code does.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.packing import n_shareable
from xmas_assets.vlm.prompts import Encoded, pad_token_id
from xmas_assets.vlm.vision_features import placed

Inputs = dict[str, Tensor]
LeadingValues = Callable[[Tensor], Tensor]


def whole_inputs(vlm: Vlm, rows: Sequence[Encoded], open_image: OpenImage, *, batch_size: int) -> Iterator[Inputs]:
    """Inputs of the whole model, batch by batch; each row's image is opened for itself."""
    pad_id = pad_token_id(vlm.processor.tokenizer)
    for start in range(0, len(rows), batch_size):
        pictures = Pictures(vlm.processor, open_image, limit_bytes=0)
        inputs = collate(rows[start : start + batch_size], pictures, pad_id=pad_id, padding_side="right")
        yield placed({name: values for name, values in inputs.items() if name != "labels"}, vlm.model)


@torch.inference_mode()
def read_attentions(vlm: Vlm, batches: Iterator[Inputs], leading_values: LeadingValues) -> list[Tensor]:
    """The usual way: all layers' full matrices from the model itself; gives each row's leading values.

    Args:
        vlm: The model.
        batches: Its inputs.
        leading_values: Makes them of one row's matrix of text tokens by image tokens.
    """
    before = vlm.model.config._attn_implementation
    vlm.model.set_attn_implementation("eager")
    values = []
    try:
        for inputs in batches:
            layers = vlm.model(**inputs, output_attentions=True, use_cache=False).attentions
            total = torch.stack([layer.float().mean(1) for layer in layers]).sum(0)
            values += [
                leading_values(matrix[: len(ids), : len(ids)][looks(vlm, ids)][:, ids == vlm.image_token_id])
                for matrix, ids in zip(total, real_ids(inputs), strict=True)
            ]
    finally:
        vlm.model.set_attn_implementation(before)
    return values


@torch.inference_mode()
def read_published(vlm: Vlm, batches: Iterator[Inputs], n_values: int) -> int:
    """As published: hooks on both projections, full matrices of all layers, a randomised SVD of the slice.

    Where there are fewer key heads than query heads, which the published code does not take, keys are repeated.

    Returns:
        Number of rows read.
    """
    caught: dict[str, list[Tensor]] = {"q_proj": [], "k_proj": []}
    n_rows = 0
    with ExitStack() as stack:
        for name, module in vlm.model.get_decoder().named_modules():
            if (kind := name.rpartition(".")[2]) in caught:
                keep = caught[kind].append
                hook = module.register_forward_hook(lambda _m, _i, output, keep=keep: keep(output))
                stack.callback(hook.remove)
        for inputs in batches:
            vlm.model(**{name: values for name, values in inputs.items() if name != "attention_mask"}, use_cache=False)
            total = torch.zeros((), device=vlm.model.device)
            for query, key in zip(*caught.values(), strict=True):
                width = query.shape[-1]
                key = key.repeat_interleave(width // key.shape[-1], dim=-1)
                total = total + (key @ query.transpose(1, 2) / width**0.5).softmax(-1)
            (places,) = (inputs["input_ids"][0] == vlm.image_token_id).nonzero(as_tuple=True)
            first, stop = int(places[0]), int(places[-1]) + 1
            torch.svd_lowrank(total[:, stop + 1 :, first:stop].float(), q=n_values, niter=2)
            n_rows += len(total)
            for outputs in caught.values():
                outputs.clear()
    return n_rows


@torch.inference_mode()
def shared_forward(vlm: Vlm, rows: Sequence[Encoded]) -> None:
    """The language model alone, its fast kernel, over what must be computed: each beginning, then the rows' own."""
    decoder = vlm.model.get_decoder()
    beginnings: dict[Any, list[Encoded]] = {}
    for row in rows:
        beginnings.setdefault(row.image_hashes, []).append(row)
    for alike in beginnings.values():
        n_shared = n_shareable(alike[0])
        cache = DynamicCache(config=decoder.config)
        decoder(input_ids=torch.from_numpy(alike[0].input_ids[None, :n_shared]).long(), past_key_values=cache)
        cache.batch_repeat_interleave(len(alike))
        tails = [torch.from_numpy(row.input_ids[n_shared:]).long() for row in alike]
        decoder(input_ids=torch.nn.utils.rnn.pad_sequence(tails, batch_first=True), past_key_values=cache)


def looks(vlm: Vlm, ids: Tensor) -> Tensor:
    """Whether a token is text behind the first image token, shape (n_tokens,)."""
    is_image = ids == vlm.image_token_id
    return ~is_image & (is_image.cumsum(0) > 0)


def real_ids(inputs: Inputs) -> list[Tensor]:
    """The token ids of each row, without padding."""
    pairs = zip(inputs["input_ids"], inputs["attention_mask"].bool(), strict=True)
    return [ids[is_real] for ids, is_real in pairs]
