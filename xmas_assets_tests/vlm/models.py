"""Small random models and batches for the tests of the attention engine."""

from pathlib import Path
from typing import Any

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from xmas_assets.vlm.loading import Vlm

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


def make_batch(sequences: list[list[int]], *, side: str = "right", seed: int = 0, extra: int = 0) -> dict[str, Any]:
    """Pad sequences; each image's pixels follow from the sequence it stands in."""
    longest = max(map(len, sequences)) + extra
    ids, mask, pixels = [], [], []
    for sequence in sequences:
        filling = [0] * (longest - len(sequence))
        real = [1] * len(sequence)
        ids.append(sequence + filling if side == "right" else filling + sequence)
        mask.append(real + filling if side == "right" else filling + real)
        generator = torch.Generator().manual_seed(seed + sum(sequence))
        n_images = sequence.count(IMAGE_ID) // N_IMAGE_TOKENS
        pixels += [torch.randn(3, 64, 64, generator=generator) for _ in range(n_images)]
    batch = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    return batch | ({"pixel_values": torch.stack(pixels)} if pixels else {})
