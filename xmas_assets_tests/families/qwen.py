"""Tiny models of the Qwen-VL line and GLM-4V: a grid of patches of any size, two by two of which make a token."""

from pathlib import Path
from typing import Any

from transformers import (
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3_5Tokenizer,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from xmas_assets_tests.families.building import (
    LANGUAGE,
    build_model,
    byte_tokenizer,
    qwen_tokenizer,
    save,
    token_ids,
    write_json,
    write_video_processor,
)

PATCH = 8
WIDTH = 32
#: Half a head has 4 frequencies: for time, height and width.
POSITIONS: dict[str, Any] = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]}
TOWER: dict[str, Any] = {
    "depth": 2,
    "num_heads": 2,
    "patch_size": PATCH,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}
#: A picture is made larger or smaller until it has 4 to 48 tokens.
PATCHES: dict[str, Any] = {
    "patch_size": PATCH,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "size": {"shortest_edge": 4 * (2 * PATCH) ** 2, "longest_edge": 48 * (2 * PATCH) ** 2},
}
PICTURE = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def build_qwen2_vl(directory: Path) -> Path:
    """Qwen2-VL: a system message of its own, positions of three axes."""
    vision = {**TOWER, "embed_dim": WIDTH, "hidden_size": WIDTH, "mlp_ratio": 2}
    return _build(directory, Qwen2VLConfig, kind=Qwen2VLForConditionalGeneration, vision=vision)


def build_qwen2_5_vl(directory: Path) -> Path:
    """Qwen2.5-VL: as Qwen2-VL, with a tower that sees windows of two by two tokens in its first layer."""
    vision = {
        **TOWER,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "out_hidden_size": WIDTH,
        "window_size": 4 * PATCH,
        "fullatt_block_indexes": [1],
    }
    kind = Qwen2_5_VLForConditionalGeneration
    return _build(directory, Qwen2_5_VLConfig, kind=kind, vision=vision, processor="Qwen2_5_VLProcessor")


def build_qwen3_vl(directory: Path) -> Path:
    """Qwen3-VL: features of the tower's first layer are added inside the language model; norms of queries and keys."""
    vision = {
        **TOWER,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "out_hidden_size": WIDTH,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }
    kind = Qwen3VLForConditionalGeneration
    text = {"rope_parameters": POSITIONS | {"mrope_interleaved": True}}
    _build(
        directory,
        Qwen3VLConfig,
        kind=kind,
        vision=vision,
        text=text,
        processor="Qwen3VLProcessor",
        template="qwen3_vl",
    )
    # Saved under the name that these directories have on the hub.
    write_json(directory / "preprocessor_config.json", {"image_processor_type": "Qwen2VLImageProcessorFast"})
    write_video_processor(directory, "Qwen3VLVideoProcessor")
    return directory


def build_qwen3_5(directory: Path) -> Path:
    """Qwen3.5: two layers of linear attention, which have no attention matrix, to one that has."""
    text = {
        "head_dim": 32,
        "rope_parameters": POSITIONS | {"mrope_interleaved": True, "partial_rotary_factor": 0.25},
        "layer_types": ["linear_attention", "linear_attention", "full_attention"],
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
    }
    vision = {
        **TOWER,
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "out_hidden_size": WIDTH,
        "num_position_embeddings": 64,
    }
    _build(
        directory,
        Qwen3_5Config,
        kind=Qwen3_5ForConditionalGeneration,
        vision=vision,
        text=text,
        processor="Qwen3VLProcessor",
        template="qwen3_5",
        tokenizer=qwen_tokenizer({}, [*PICTURE, "<think>", "</think>"], kind=Qwen3_5Tokenizer),
    )
    write_json(directory / "preprocessor_config.json", {"image_processor_type": "Qwen2VLImageProcessorFast"})
    write_video_processor(directory, "Qwen3VLVideoProcessor")
    return directory


def build_glm4v(directory: Path) -> Path:
    """GLM-4.1V: an answer has no end token but the next speaker's, and a prompt ends where thinking begins."""
    names = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    picture = ["<|image|>", "<|video|>", "<|begin_of_image|>", "<|end_of_image|>"]
    film = ["<|begin_of_video|>", "<|end_of_video|>"]
    turns = ["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
    tokenizer = byte_tokenizer(names, [*picture, *film, *turns])
    image, video, start, end, film_start, film_end = tokenizer.convert_tokens_to_ids([*picture, *film])
    config = Glm4vConfig(
        text_config={
            **LANGUAGE,
            **token_ids(tokenizer),
            "head_dim": 16,
            "rope_parameters": POSITIONS | {"partial_rotary_factor": 0.5},
        },
        vision_config={
            **TOWER,
            "hidden_size": WIDTH,
            "image_size": 8 * PATCH,
            "intermediate_size": 64,
            "out_hidden_size": WIDTH,
        },
        image_token_id=image,
        video_token_id=video,
        image_start_token_id=start,
        image_end_token_id=end,
        video_start_token_id=film_start,
        video_end_token_id=film_end,
    )
    ends = [tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(["<|user|>", "<|observation|>"])]
    save(
        directory,
        build_model(Glm4vForConditionalGeneration, config, ends=ends),
        tokenizer=tokenizer,
        images=Glm4vImageProcessorPil(**PATCHES),
        processor={"processor_class": "Glm4vProcessor"},
        template="glm4v",
    )
    write_video_processor(directory, "Glm4vVideoProcessor")
    return directory


def _build(
    directory: Path,
    config_class: type[Any],
    *,
    kind: type,
    vision: dict[str, Any],
    text: dict[str, Any] | None = None,
    processor: str = "Qwen2VLProcessor",
    template: str = "qwen2_vl",
    tokenizer: Any = None,
) -> Path:
    tokenizer = tokenizer or qwen_tokenizer({}, PICTURE)
    start, end, image, video = tokenizer.convert_tokens_to_ids(PICTURE)
    config = config_class(
        text_config={**LANGUAGE, **token_ids(tokenizer), "rope_parameters": POSITIONS, **(text or {})},
        vision_config=vision,
        vision_start_token_id=start,
        vision_end_token_id=end,
        image_token_id=image,
        video_token_id=video,
    )
    return save(
        directory,
        build_model(kind, config, ends=[tokenizer.eos_token_id, tokenizer.pad_token_id]),
        tokenizer=tokenizer,
        images=Qwen2VLImageProcessorPil(**PATCHES),
        processor={"processor_class": processor},
        template=template,
    )
