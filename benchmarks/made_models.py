"""Models of chosen sizes with random weights, their processors, and rows for them: nothing is downloaded or read."""

import io
import json
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.toy.model import WORDS, build_processor, train_tokenizer
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.processors import read_processor

# Qwen's conversation; the form of its tokens is the hub's, the words are the toy model's.
_CHAT = """\
{%- for message in messages -%}
  {{- '<|im_start|>' + message['role'] + '\n' -}}
  {%- for part in message['content'] -%}
    {%- if part['type'] == 'image' -%}
      {{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
    {%- else -%}
      {{- part['text'] -}}
    {%- endif -%}
  {%- endfor -%}
  {{- '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
{%- endif -%}
"""
_QWEN_NAMES = ("eos_token", "pad_token", "image_token")
_QWEN_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|image_pad|>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>")
_VIDEO_TOKEN = "<|video_pad|>"


@dataclass(frozen=True)
class Shape:
    """A model without its weights.

    Attributes:
        name: Of the model.
        config: Of the model.
        processor: Its tokenizer, image processor and chat template. The tokenizer knows fewer words than the vocabulary
            layer has rows.
        picture_size: Width and height of the pictures that it is tried on.
    """

    name: str
    config: PreTrainedConfig
    processor: Any
    picture_size: tuple[int, int]

    def make(self, *, seed: int = 0, device: str = "cpu", dtype: str = "float32") -> Vlm:
        """Make a model with random weights, on its device."""
        torch.manual_seed(seed)
        with torch.device(device):
            model = AutoModelForImageTextToText.from_config(deepcopy(self.config), dtype=getattr(torch, dtype))
        return Vlm(model.eval(), self.processor, model.config.image_token_id, Path(self.name))


def llava(name: str, *, text: Mapping[str, Any], vision: Mapping[str, Any]) -> Shape:
    """LLaVA with a CLIP tower.

    Args:
        name: Of the model.
        text: What the language model's config has beside the tokenizer's ids.
        vision: What the tower's config has.
    """
    size, patch_size = vision["image_size"], vision["patch_size"]
    processor = build_processor()
    square = {"height": size, "width": size}
    processor.image_processor = CLIPImageProcessorPil(size=square, crop_size=square, do_center_crop=False)
    processor.patch_size = patch_size
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**vision),
        text_config=LlamaConfig(pad_token_id=processor.tokenizer.pad_token_id, **text),
        image_token_index=processor.image_token_id,
        image_seq_length=(size // patch_size) ** 2,
    )
    return Shape(name, config, processor, (size, size))


def qwen2_5_vl(
    name: str, *, text: Mapping[str, Any], vision: Mapping[str, Any], picture_size: tuple[int, int], tied: bool
) -> Shape:
    """Qwen2.5-VL.

    Args:
        name: Of the model.
        text: What the language model's config has beside the tokenizer's ids.
        vision: What the tower's config has beside the width that it ends in.
        picture_size: Width and height of the pictures; they decide the number of tokens.
        tied: Whether the vocabulary layer is the embedding.
    """
    learned = train_tokenizer([*_QWEN_TOKENS, _VIDEO_TOKEN])
    named = dict(zip(_QWEN_NAMES, _QWEN_TOKENS, strict=False))
    extra = {"image_token": named.pop("image_token"), "video_token": _VIDEO_TOKEN}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=learned, extra_special_tokens=extra, **named)
    ids: dict[str, Any] = {token: tokenizer.convert_tokens_to_ids(token) for token in (*_QWEN_TOKENS, _VIDEO_TOKEN)}
    config = Qwen2_5_VLConfig(
        text_config={"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, **text},
        vision_config={"out_hidden_size": text["hidden_size"], **vision},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids[_VIDEO_TOKEN],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=tied,
    )
    images = Qwen2VLImageProcessorPil(patch_size=vision["patch_size"])
    return Shape(name, config, _qwen_processor(tokenizer, images), picture_size)


def _qwen_processor(tokenizer: Any, images: Any) -> Any:
    """Its class takes no processor without a half for videos, so it is read as from a model's directory."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tokenizer.save_pretrained(folder)
        images.save_pretrained(folder)
        (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
        (folder / "processor_config.json").write_text(json.dumps({"processor_class": "Qwen2_5_VLProcessor"}))
        (folder / "chat_template.jinja").write_text(_CHAT)
        return read_processor(folder)


class Photos:
    """Opens pictures of one size from JPEG bytes, as many different ones as there are names up to a number."""

    def __init__(self, size: tuple[int, int], *, n_distinct: int = 32) -> None:
        rng = np.random.default_rng(0)
        self._files = []
        for _ in range(n_distinct):
            spots = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).resize(size)
            stream = io.BytesIO()
            spots.save(stream, "JPEG", quality=90)
            self._files.append(stream.getvalue())

    def __call__(self, reference: str, _content_hash: str) -> Image.Image:
        number = int(reference.rpartition("-")[2])
        return Image.open(io.BytesIO(self._files[number % len(self._files)]))


def made_samples(
    n_images: int, n_questions: int, *, answer_words: tuple[int, int] = (12, 57), seed: int = 0
) -> list[Sample]:
    """About 35 tokens in front of an image, and a question of 12 to 56 words and its answer behind it."""
    rng, words = np.random.default_rng(seed), np.array(WORDS.split())
    system = Turn("system", " ".join(rng.choice(words, 30)))
    samples = []
    for number in range(n_images * n_questions):
        image = (f"image-{number // n_questions}",)
        question, answer = (" ".join(rng.choice(words, rng.integers(*span))) for span in ((12, 57), answer_words))
        turns = (system, Turn("user", f"<image>\n{question}"), Turn("assistant", answer))
        samples.append(Sample(f"{number:05d}", turns, image, image))
    return samples
