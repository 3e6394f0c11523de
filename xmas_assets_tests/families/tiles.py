"""Tiny models that cut a picture into tiles of one size: Idefics3, SmolVLM, InternVL, Ovis2 and Aya Vision."""

from pathlib import Path
from typing import Any

from transformers import (
    AyaVisionConfig,
    AyaVisionForConditionalGeneration,
    Cohere2Config,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlamaConfig,
    Ovis2Config,
    Ovis2ForConditionalGeneration,
    Qwen2Config,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.ovis2.image_processing_pil_ovis2 import Ovis2ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from xmas_assets_tests.families.building import (
    LANGUAGE,
    TOWER,
    build_model,
    byte_tokenizer,
    qwen_tokenizer,
    save,
    token_ids,
    write_json,
    write_video_processor,
)

TILE = 32
PATCH = 8
#: Two by two patches become one token.
TILE_TOKENS = (TILE // PATCH // 2) ** 2
FRAMES = [
    "<fake_token_around_image>",
    "<image>",
    "<end_of_utterance>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
]


def build_idefics3(directory: Path) -> Path:
    """Idefics3 on Llama 3: up to nine tiles, each named by its row and column, and the whole picture."""
    names = {
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|end_of_text|>",
        "pad_token": "<|reserved_special_token_0|>",
    }
    tokenizer = byte_tokenizer(names, FRAMES, add_bos_token=True)
    end = tokenizer.convert_tokens_to_ids("<end_of_utterance>")
    config = Idefics3Config(**_idefics_parts(tokenizer))
    return save(
        directory,
        build_model(Idefics3ForConditionalGeneration, config, ends=[tokenizer.eos_token_id, end]),
        tokenizer=tokenizer,
        images=Idefics3ImageProcessorPil(size={"longest_edge": 3 * TILE}, max_image_size={"longest_edge": TILE}),
        processor={"processor_class": "Idefics3Processor", "image_seq_len": TILE_TOKENS},
        template="idefics3",
    )


def build_smolvlm(directory: Path) -> Path:
    """SmolVLM: as Idefics3, on a tokenizer that adds no token at the beginning."""
    names = {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>", "pad_token": "<|im_end|>"}
    tokenizer = byte_tokenizer(names, [*FRAMES, "<video>"])
    config = SmolVLMConfig(**_idefics_parts(tokenizer))
    return save(
        directory,
        build_model(SmolVLMForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=SmolVLMImageProcessorPil(size={"longest_edge": 3 * TILE}, max_image_size={"longest_edge": TILE}),
        processor={"processor_class": "SmolVLMProcessor", "image_seq_len": TILE_TOKENS},
        template="smolvlm",
    )


def build_internvl(directory: Path) -> Path:
    """InternVL 3 on Qwen2: up to six tiles and a thumbnail in one run of tokens, between a begin and an end token."""
    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = qwen_tokenizer(names)
    config = InternVLConfig(
        text_config=Qwen2Config(**LANGUAGE, **token_ids(tokenizer)),
        vision_config={**TOWER, "image_size": [TILE, TILE], "patch_size": [PATCH, PATCH]},
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=TILE_TOKENS,
        tie_word_embeddings=False,
    )
    save(
        directory,
        build_model(InternVLForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=GotOcr2ImageProcessorPil(size={"height": TILE, "width": TILE}, max_patches=6),
        processor={"processor_class": "InternVLProcessor", "image_seq_length": TILE_TOKENS},
        template="internvl",
    )
    write_json(directory / "preprocessor_config.json", {"image_processor_type": "GotOcr2ImageProcessorFast"})
    write_video_processor(directory, "InternVLVideoProcessor")
    return directory


def build_ovis2(directory: Path) -> Path:
    """Ovis2: tiles joined by grid tokens, whose vectors are the tower's too; the repeated token is not the mark."""
    indicators = ["<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"]
    tokenizer = qwen_tokenizer({}, ["<image>", "<IMG_ATOM>", *indicators])
    config = Ovis2Config(
        text_config=Qwen2Config(**LANGUAGE, **token_ids(tokenizer)),
        vision_config={**TOWER, "image_size": TILE, "patch_size": PATCH, "hidden_stride": 2, "vocab_size": 64},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_ATOM>"),
        visual_indicator_token_ids=tokenizer.convert_tokens_to_ids(indicators),
        vocab_size=len(tokenizer),
        hidden_size=LANGUAGE["hidden_size"],
        tie_word_embeddings=False,
    )
    return save(
        directory,
        build_model(Ovis2ForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=Ovis2ImageProcessorPil(size={"height": TILE, "width": TILE}, crop_to_patches=True, max_patches=6),
        processor={"processor_class": "Ovis2Processor", "image_token": "<image>", "image_seq_length": TILE_TOKENS},
        template="ovis2",
    )


def build_aya_vision(directory: Path) -> Path:
    """Aya Vision on Cohere 2: named tiles, sliding windows; the repeated token is not the mark."""
    tiles = [*(f"TILE_{number}" for number in range(1, 7)), "TILE_GLOBAL"]
    picture = ["<image>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>", *tiles]
    turns = ["<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>"]
    answer = ["<|START_RESPONSE|>", "<|END_RESPONSE|>"]
    names = {
        "pad_token": "<PAD>",
        "unk_token": "<UNK>",
        "bos_token": "<BOS_TOKEN>",
        "eos_token": "<|END_OF_TURN_TOKEN|>",
    }
    tokenizer = byte_tokenizer(names, [*picture, *turns, *answer], add_bos_token=True)
    config = AyaVisionConfig(
        text_config=Cohere2Config(
            **LANGUAGE,
            **token_ids(tokenizer),
            sliding_window=12,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            logit_scale=0.25,
        ),
        vision_config=SiglipVisionConfig(**TOWER, image_size=TILE, patch_size=PATCH, vision_use_head=False),
        image_token_index=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
        downsample_factor=2,
    )
    return save(
        directory,
        build_model(AyaVisionForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=GotOcr2ImageProcessorPil(size={"height": TILE, "width": TILE}, max_patches=6),
        processor={
            "processor_class": "AyaVisionProcessor",
            "patch_size": PATCH,
            "img_size": TILE,
            "downsample_factor": 2,
        },
        template="aya_vision",
    )


def _idefics_parts(tokenizer: Any) -> dict[str, Any]:
    return {
        "text_config": LlamaConfig(**LANGUAGE, **token_ids(tokenizer)),
        "vision_config": {**TOWER, "image_size": TILE, "patch_size": PATCH},
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "scale_factor": 2,
    }
