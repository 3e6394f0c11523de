"""Small random models and batches for the tests of the attention engine."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from xmas_assets.vlm.grids import View
from xmas_assets.vlm.image_inputs import Unit
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.prompts import Encoded

IMAGE_ID = 3
N_IMAGE_TOKENS = 16
PLAIN, IMAGE_LATE, TWO_IMAGES, MULTI_TURN = "plain", "image late", "two images", "multi-turn"


def make_vlm(*, n_key_heads: int = 4, attention: str = "sdpa", seed: int = 0) -> Vlm:
    text = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=n_key_heads,
        pad_token_id=0,
    )
    vision = CLIPVisionConfig(
        image_size=64, patch_size=16, hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2
    )
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=IMAGE_ID, image_seq_length=16)
    config._attn_implementation = attention
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(config).eval()
        # Fresh weights attend almost evenly, which would hide mistakes; larger ones make attention sharp.
        for name, values in model.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                values.data *= 20
    return Vlm(model, None, IMAGE_ID, Path("random-model"))


def make_sequences(seed: int = 0) -> dict[str, list[int]]:
    """One sequence of token ids for each shape of conversation."""
    generator = torch.Generator().manual_seed(seed)

    def words(n: int) -> list[int]:
        return torch.randint(4, 64, (n,), generator=generator).tolist()

    image = [IMAGE_ID] * N_IMAGE_TOKENS
    return {
        PLAIN: [1, *words(3), *image, *words(12)],
        IMAGE_LATE: [1, *words(20), *image, *words(7)],
        TWO_IMAGES: [1, *words(2), *image, *words(6), *image, *words(25)],
        MULTI_TURN: [1, *image, *words(9), 2, *words(8), 2, *words(30), 2],
    }


def make_rows(sequences: list[list[int]]) -> list[Encoded]:
    """Sequences as encoded rows, the last quarter of each its answer; equal beginnings have equal images."""
    rows = []
    for number, sequence in enumerate(sequences):
        ids = np.array(sequence, dtype=np.int32)
        is_image = ids == IMAGE_ID
        beginning = sum(sequence[: np.flatnonzero(is_image)[-1]]) if is_image.any() else 0
        n_images = int(is_image.sum()) // N_IMAGE_TOKENS
        hashes = (f"{beginning}-{image}" for image in range(n_images))
        units = tuple(Unit((name,), (name,)) for name in hashes)
        is_answer = np.arange(len(ids)) >= len(ids) - max(1, len(ids) // 4)
        counts = (N_IMAGE_TOKENS,) * n_images
        layouts = ((View(0, (1, 1), (4, 4)),),) * n_images
        row = Encoded(str(number), ids, is_answer & ~is_image, is_image, units, counts, layouts=layouts)
        rows.append(row)
    return rows


def draw_images(units: Sequence[Unit]) -> dict[str, Any]:
    """The inputs of some images: pixels that follow from the hash."""
    names = [name for unit in units for name in unit.hashes]
    seeds = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little") for name in names]
    return {"pixel_values": torch.stack([torch.randn(3, 64, 64, generator=seeded(seed)) for seed in seeds])}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_batch(sequences: list[list[int]]) -> dict[str, Any]:
    """Inputs of the plain model: padded rows and their images."""
    longest = max(map(len, sequences))
    ids = [sequence + [0] * (longest - len(sequence)) for sequence in sequences]
    mask = [[1] * len(sequence) + [0] * (longest - len(sequence)) for sequence in sequences]
    units = [unit for row in make_rows(sequences) for unit in row.units]
    inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    return inputs | (draw_images(units) if units else {})
