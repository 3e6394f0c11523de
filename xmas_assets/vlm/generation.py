"""Letting a model speak: greedy continuations of prompts, which do not depend on the model's own sampling settings."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from transformers import GenerationConfig

from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id
from xmas_assets.vlm.vision_features import placed


class Said(NamedTuple):
    """What a model said.

    Attributes:
        text: Without special tokens and white space at its ends.
        is_cut: Whether the model had not ended when it reached the longest answer.
    """

    text: str
    is_cut: bool


def generate(
    vlm: Vlm, prompts: Sequence[Encoded], pictures: Pictures, *, stop_ids: Sequence[int], max_new_tokens: int
) -> list[Said]:
    """Continue each prompt with the likeliest token, until an end token or ``max_new_tokens``."""
    tokenizer = vlm.processor.tokenizer
    pad_id = pad_token_id(tokenizer)
    batch = collate(prompts, pictures, pad_id=pad_id, padding_side="left")
    inputs = {name: values for name, values in placed(batch, vlm.model).items() if name != "labels"}
    rules = greedy(stop_ids, pad_id=pad_id, max_new_tokens=max_new_tokens)
    said = vlm.model.generate(**inputs, generation_config=rules)[:, inputs["input_ids"].shape[1] :]
    has_ended = torch.isin(said, said.new_tensor(list(stop_ids))).any(dim=1)
    is_cut = ~has_ended & (said.shape[1] >= max_new_tokens)
    texts = tokenizer.batch_decode(said, skip_special_tokens=True)
    return [Said(text.strip(), cut) for text, cut in zip(texts, is_cut.tolist(), strict=True)]


def greedy(stop_ids: Sequence[int], *, pad_id: int, max_new_tokens: int) -> GenerationConfig:
    """Take the likeliest token, whatever the model's own settings: what is left unset here would come from them."""
    return GenerationConfig(
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        min_new_tokens=0,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(stop_ids),
        pad_token_id=pad_id,
    )


def stop_token_ids(vlm: Vlm, encoder: Encoder) -> list[int]:
    """Return the tokens that end an answer: the chat template's end token, then the model's own."""
    own = vlm.model.generation_config.eos_token_id
    template_end = vlm.processor.tokenizer.convert_tokens_to_ids(encoder.template.end_token())
    return list(dict.fromkeys([template_end, *([own] if isinstance(own, int) else own or [])]))
