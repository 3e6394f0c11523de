"""Tiny models whose image processor exists for torchvision only: where it is not installed, it is to be named."""

from pathlib import Path
from typing import Any

from transformers import (
    Lfm2Config,
    Lfm2VlConfig,
    Lfm2VlForConditionalGeneration,
    Llama4Config,
    Llama4ForConditionalGeneration,
    Molmo2Config,
    Molmo2ForConditionalGeneration,
    Siglip2VisionConfig,
)

from xmas_assets_tests.families.building import (
    LANGUAGE,
    SIZES,
    TOWER,
    build_model,
    byte_tokenizer,
    qwen_tokenizer,
    save,
    token_ids,
)

SIZE = 32
PATCH = 8


def build_lfm2_vl(directory: Path) -> Path:
    """LFM2-VL: two layers of convolution, which have no attention matrix, to one that has; padded patches."""
    names = {"pad_token": "<|pad|>", "bos_token": "<|startoftext|>", "eos_token": "<|im_end|>"}
    rows = [f"<|img_row_{row}_col_{column}|>" for row in range(1, 5) for column in range(1, 5)]
    picture = ["<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>", *rows]
    tokenizer = byte_tokenizer(names, ["<|im_start|>", *picture], add_bos_token=True)
    layers = {"layer_types": ["conv", "full_attention", "conv"], "block_auto_adjust_ff_dim": False}
    config = Lfm2VlConfig(
        text_config=Lfm2Config(**LANGUAGE | layers, **token_ids(tokenizer)),
        vision_config=Siglip2VisionConfig(**TOWER, num_patches=16, patch_size=PATCH, vision_use_head=False),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projector_hidden_size=64,
    )
    return save(
        directory,
        build_model(Lfm2VlForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images={
            "image_processor_type": "Lfm2VlImageProcessorFast",
            "encoder_patch_size": PATCH,
            "downsample_factor": 2,
            "min_image_tokens": 2,
            "max_image_tokens": 4,
            "max_num_patches": 16,
            "tile_size": SIZE,
            "size": _square(),
        },
        processor={"processor_class": "Lfm2VlProcessor"},
        template="lfm2_vl",
    )


def build_llama4(directory: Path) -> Path:
    """Llama 4: two experts in a layer, sight in chunks, and one layer without positions that sees all."""
    names = {"pad_token": "<|finetune_right_pad|>", "bos_token": "<|begin_of_text|>", "eos_token": "<|eot|>"}
    edges = ["<|image_start|>", "<|image_end|>", "<|tile_x_separator|>", "<|tile_y_separator|>", "<|image|>"]
    turns = ["<|header_start|>", "<|header_end|>"]
    tokenizer = byte_tokenizer(names, [*turns, *edges, "<|patch|>"], add_bos_token=True)
    experts = {"intermediate_size_mlp": 64, "num_local_experts": 2}
    sight = {"attention_chunk_size": 16, "no_rope_layers": [1, 1, 0]}
    config = Llama4Config(
        text_config={**LANGUAGE, **token_ids(tokenizer), **experts, **sight},
        vision_config={
            **TOWER,
            "intermediate_size": 4 * TOWER["hidden_size"],  # what two by two patches have together
            "image_size": SIZE,
            "patch_size": PATCH,
            "projector_input_dim": 32,
            "projector_output_dim": 32,
            "vision_output_dim": 32,
        },
        boi_token_index=tokenizer.convert_tokens_to_ids("<|image_start|>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<|image_end|>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<|patch|>"),
    )
    return save(
        directory,
        build_model(Llama4ForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images={"image_processor_type": "Llama4ImageProcessorFast", "max_patches": 4, "size": _square()},
        processor={"processor_class": "Llama4Processor", "patch_size": PATCH, "pixel_shuffle_ratio": 0.5},
        template="llama4",
    )


def build_molmo2(directory: Path) -> Path:
    """Molmo 2: overlapping crops; the picture's tokens are behind the vocabulary, and the head cannot write them."""
    edges = ["<im_start>", "<im_end>", "<im_col>", "<low_res_im_start>", "<frame_start>", "<frame_end>", "<im_low>"]
    picture = ["<im_patch>", *edges, "<|image|>", "<|video|>"]
    tokenizer = qwen_tokenizer({})
    text = LANGUAGE | token_ids(tokenizer) | {"additional_vocab_size": len(picture)}
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", *picture]})
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    config = Molmo2Config(
        text_config=text,
        vision_config={**TOWER, **heads, "image_size": [SIZE, SIZE], "patch_size": PATCH},
        adapter_config={**SIZES, **heads, "text_hidden_size": 32, "vision_feature_layer": [1, 0]},
        image_patch_id=tokenizer.convert_tokens_to_ids("<im_patch>"),
        image_start_token_id=tokenizer.convert_tokens_to_ids("<im_start>"),
        image_end_token_id=tokenizer.convert_tokens_to_ids("<im_end>"),
        low_res_image_start_token_id=tokenizer.convert_tokens_to_ids("<low_res_im_start>"),
        frame_start_token_id=tokenizer.convert_tokens_to_ids("<frame_start>"),
        frame_end_token_id=tokenizer.convert_tokens_to_ids("<frame_end>"),
    )
    return save(
        directory,
        build_model(Molmo2ForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images={
            "image_processor_type": "Molmo2ImageProcessor",
            "max_crops": 4,
            "overlap_margins": [1, 1],
            "patch_size": PATCH,
            "pooling_size": [2, 2],
            "size": _square(),
        },
        processor={"processor_class": "Molmo2Processor"},
        template="molmo2",
    )


def _square() -> dict[str, Any]:
    return {"height": SIZE, "width": SIZE}
