"""Tiny models with Mistral's Pixtral tower: pictures of any shape, a break token after each row of patches."""

from pathlib import Path

from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    MistralConfig,
    PixtralVisionConfig,
)
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

from xmas_assets_tests.families.building import LANGUAGE, TOWER, build_model, byte_tokenizer, save, token_ids

PATCH = 8
NAMES = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
PICTURE = {"image_token": "[IMG]", "image_break_token": "[IMG_BREAK]", "image_end_token": "[IMG_END]"}
TURNS = ["[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"]


def build_pixtral(directory: Path) -> Path:
    """Pixtral-12B: the type is llava, but a picture has as many tokens as its size asks for."""
    longest = 56
    tokenizer = byte_tokenizer(NAMES, [*TURNS, *PICTURE.values()], add_bos_token=True)
    config = LlavaConfig(
        text_config=MistralConfig(**LANGUAGE, **token_ids(tokenizer), sliding_window=None),
        vision_config=PixtralVisionConfig(**TOWER, image_size=longest, patch_size=PATCH),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        image_seq_length=1,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    return save(
        directory,
        build_model(LlavaForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=_images(longest, patch=PATCH),
        processor={"processor_class": "PixtralProcessor", "patch_size": PATCH, "spatial_merge_size": 1, **PICTURE},
        template="pixtral",
    )


def build_mistral3(directory: Path) -> Path:
    """Mistral Small 3.1: two by two patches become one token."""
    longest, merge = 96, 2
    tokenizer = byte_tokenizer(NAMES, [*TURNS, *PICTURE.values()], add_bos_token=True)
    config = Mistral3Config(
        text_config=MistralConfig(**LANGUAGE, **token_ids(tokenizer), sliding_window=None),
        vision_config=PixtralVisionConfig(**TOWER, image_size=longest, patch_size=PATCH),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=merge,
        tie_word_embeddings=False,
    )
    return save(
        directory,
        build_model(Mistral3ForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=_images(longest, patch=PATCH),
        processor={"processor_class": "PixtralProcessor", "patch_size": PATCH, "spatial_merge_size": merge, **PICTURE},
        template="mistral3",
    )


def _images(longest: int, *, patch: int) -> PixtralImageProcessorPil:
    return PixtralImageProcessorPil(size={"longest_edge": longest}, patch_size={"height": patch, "width": patch})
