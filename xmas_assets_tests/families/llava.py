"""Tiny models of the LLaVA line: one size of picture, tiles with newline vectors, and a Pixtral tower."""

from pathlib import Path

from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    MistralConfig,
    Qwen2Config,
    SiglipVisionConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

from xmas_assets_tests.families.building import (
    LANGUAGE,
    TOWER,
    build_model,
    piece_tokenizer,
    qwen_tokenizer,
    save,
    token_ids,
    write_video_processor,
)

PATCH = 8
LLAMA_TOKENS = {
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "image_token": "<image>",
}


def build_llava(directory: Path) -> Path:
    """LLaVA-1.5: every picture is 16 tokens; an answer has no end token."""
    size = 32
    tokenizer = piece_tokenizer(LlamaTokenizer, LLAMA_TOKENS, add_bos_token=True)
    config = LlavaConfig(
        text_config=LlamaConfig(**LANGUAGE, **token_ids(tokenizer)),
        vision_config=CLIPVisionConfig(**TOWER, image_size=size, patch_size=PATCH, projection_dim=32),
        image_token_index=tokenizer.image_token_id,
        image_seq_length=(size // PATCH) ** 2,
    )
    return save(
        directory,
        build_model(LlavaForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size}),
        processor={"processor_class": "LlavaProcessor", **_clip_features()},
        template="llava",
    )


def build_llava_next(directory: Path) -> Path:
    """LLaVA-NeXT on Mistral: the whole picture and up to four tiles of it, each row of tokens closed by a newline."""
    size = 24
    tiles = [[size, 2 * size], [2 * size, size], [2 * size, 2 * size], [3 * size, size], [size, 3 * size]]
    tokenizer = piece_tokenizer(LlamaTokenizer, LLAMA_TOKENS, add_bos_token=True)
    config = LlavaNextConfig(
        text_config=MistralConfig(**LANGUAGE, **token_ids(tokenizer), sliding_window=None),
        vision_config=CLIPVisionConfig(**TOWER, image_size=size, patch_size=PATCH, projection_dim=32),
        image_token_index=tokenizer.image_token_id,
        image_seq_length=(size // PATCH) ** 2,
        image_grid_pinpoints=tiles,
    )
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}, image_grid_pinpoints=tiles
    )
    return save(
        directory,
        build_model(LlavaNextForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=images,
        processor={"processor_class": "LlavaNextProcessor", **_clip_features()},
        template="llava_next",
    )


def build_llava_onevision(directory: Path) -> Path:
    """LLaVA-OneVision on Qwen2: tiles for a picture that is alone in its row, none among several."""
    size = 24
    tiles = [[rows * size, columns * size] for rows in (1, 2, 3) for columns in (1, 2, 3) if rows * columns < 5]
    names = {"image_token": "<image>", "video_token": "<video>"}
    tokenizer = qwen_tokenizer(names)
    config = LlavaOnevisionConfig(
        text_config=Qwen2Config(**LANGUAGE, **token_ids(tokenizer)),
        vision_config=SiglipVisionConfig(**TOWER, image_size=size, patch_size=PATCH, vision_use_head=False),
        image_token_index=tokenizer.image_token_id,
        video_token_index=tokenizer.video_token_id,
        image_grid_pinpoints=tiles,
    )
    save(
        directory,
        build_model(LlavaOnevisionForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=LlavaOnevisionImageProcessorPil(size={"height": size, "width": size}, image_grid_pinpoints=tiles),
        processor={
            "processor_class": "LlavaOnevisionProcessor",
            "num_image_tokens": (size // PATCH) ** 2,
            "vision_feature_select_strategy": "full",
            "vision_aspect_ratio": "anyres_max_9",
            **names,
        },
        template="llava_onevision",
    )
    write_video_processor(directory, "LlavaOnevisionVideoProcessor")
    return directory


def _clip_features() -> dict[str, object]:
    """How a processor counts the features of a CLIP tower, whose first is of no place in the picture."""
    return {
        "image_token": "<image>",
        "num_additional_image_tokens": 1,
        "patch_size": PATCH,
        "vision_feature_select_strategy": "default",
    }
