"""Configs of the models that profiles name, in their real sizes, typed from their public config files."""

from collections.abc import Callable
from typing import Any

from transformers import (
    CLIPVisionConfig,
    Gemma3Config,
    Idefics3Config,
    InternVLConfig,
    LlamaConfig,
    LlavaConfig,
    PreTrainedConfig,
    Qwen2_5_VLConfig,
    Qwen2Config,
    Qwen3VLConfig,
)

#: Of Qwen's positions: time, height, width.
_QWEN_POSITIONS: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}


def llava_15_7b() -> PreTrainedConfig:
    text = LlamaConfig(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32, vocab_size=32064
    )
    return LlavaConfig(text_config=text, vision_config=_clip_large())


def tiny_llava_1b() -> PreTrainedConfig:
    text = LlamaConfig(
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=22,
        num_attention_heads=32,
        num_key_value_heads=4,
        vocab_size=32064,
    )
    return LlavaConfig(text_config=text, vision_config=_clip_large())


def qwen25_vl_3b() -> PreTrainedConfig:
    return _qwen25_vl(
        hidden_size=2048, intermediate_size=11008, num_hidden_layers=36, num_attention_heads=16,
        num_key_value_heads=2, vocab_size=151936, tie_word_embeddings=True,
    )  # fmt: skip


def qwen25_vl_7b() -> PreTrainedConfig:
    return _qwen25_vl(
        hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28,
        num_key_value_heads=4, vocab_size=152064, tie_word_embeddings=False,
    )  # fmt: skip


def qwen3_vl_4b() -> PreTrainedConfig:
    text = {
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
        "rope_parameters": {**_QWEN_POSITIONS, "mrope_section": [24, 20, 20], "mrope_interleaved": True},
    }
    vision = {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "out_hidden_size": 2560,
        "patch_size": 16,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [5, 11, 17],
    }
    return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True)


def smolvlm_500m() -> PreTrainedConfig:
    text = LlamaConfig(
        hidden_size=960,
        intermediate_size=2560,
        num_hidden_layers=32,
        num_attention_heads=15,
        num_key_value_heads=5,
        vocab_size=49280,
        pad_token_id=2,
    )
    vision = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 512,
        "patch_size": 16,
    }
    return Idefics3Config(text_config=text, vision_config=vision, scale_factor=4, tie_word_embeddings=False)


def internvl3_2b() -> PreTrainedConfig:
    text = Qwen2Config(
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
        vocab_size=151674,
    )
    vision = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": [448, 448],
        "patch_size": [14, 14],
    }
    return InternVLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False)


def gemma3_4b() -> PreTrainedConfig:
    text = {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 262208,
    }
    vision = {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 896,
        "patch_size": 14,
        "vision_use_head": False,
    }
    return Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=256)


#: By hub id.
REAL_SHAPES: dict[str, Callable[[], PreTrainedConfig]] = {
    "llava-hf/llava-1.5-7b-hf": llava_15_7b,
    "bczhou/tiny-llava-v1-hf": tiny_llava_1b,
    "Qwen/Qwen2.5-VL-3B-Instruct": qwen25_vl_3b,
    "Qwen/Qwen2.5-VL-7B-Instruct": qwen25_vl_7b,
    "Qwen/Qwen3-VL-4B-Instruct": qwen3_vl_4b,
    "HuggingFaceTB/SmolVLM-500M-Instruct": smolvlm_500m,
    "OpenGVLab/InternVL3-2B-hf": internvl3_2b,
    "google/gemma-3-4b-it": gemma3_4b,
}


def _clip_large() -> PreTrainedConfig:
    return CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )


def _qwen25_vl(**text: Any) -> PreTrainedConfig:
    vision = {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": text["hidden_size"],
        "patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    }
    text["rope_parameters"] = _QWEN_POSITIONS
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=text["tie_word_embeddings"])
