"""The models that the card is measured with: LLaVA-1.5-7B and Qwen2.5-VL-3B, and tiny ones of the same form.

Sources: config.json of llava-hf/llava-1.5-7b-hf and of Qwen/Qwen2.5-VL-3B-Instruct. A picture of 336 x 336 pixels is
576 tokens to LLaVA; one of 640 x 480 is made 644 x 476 for Qwen, which gives 23 x 17 = 391.
"""

from benchmarks.made_models import Shape, llava, qwen2_5_vl


def real_shapes() -> tuple[Shape, ...]:
    """The shapes of the published models."""
    return (
        qwen2_5_vl(
            "Qwen2.5-VL-3B",
            text={
                "vocab_size": 151_936,
                "hidden_size": 2048,
                "intermediate_size": 11_008,
                "num_hidden_layers": 36,
                "num_attention_heads": 16,
                "num_key_value_heads": 2,
                "max_position_embeddings": 128_000,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            },
            vision={
                "depth": 32,
                "hidden_size": 1280,
                "intermediate_size": 3420,
                "num_heads": 16,
                "patch_size": 14,
                "window_size": 112,
                "fullatt_block_indexes": [7, 15, 23, 31],
            },
            picture_size=(640, 480),
            tied=True,
        ),
        llava(
            "LLaVA-1.5-7B",
            text={
                "vocab_size": 32_064,
                "hidden_size": 4096,
                "intermediate_size": 11_008,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "max_position_embeddings": 4096,
            },
            vision={
                "image_size": 336,
                "patch_size": 14,
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "projection_dim": 768,
            },
        ),
    )


def tiny_shapes() -> tuple[Shape, ...]:
    """The same with two layers of width 32, and a few image tokens."""
    return (
        qwen2_5_vl(
            "tiny Qwen2.5-VL",
            text={
                "vocab_size": 1024,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "max_position_embeddings": 2048,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]},
            },
            vision={
                "depth": 2,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_heads": 2,
                "patch_size": 14,
                "window_size": 56,
                "fullatt_block_indexes": [1],
            },
            picture_size=(112, 84),
            tied=True,
        ),
        llava(
            "tiny LLaVA",
            text={
                "vocab_size": 1024,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "max_position_embeddings": 2048,
            },
            vision={
                "image_size": 56,
                "patch_size": 14,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
            },
        ),
    )
