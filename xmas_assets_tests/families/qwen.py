"""Tiny models of the Qwen-VL line: a picture of any size as a grid of patches, two by two of which make a token."""

from pathlib import Path
from typing import Any

from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from xmas_assets_tests.families.building import (
    LANGUAGE,
    build_model,
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


def _build(
    directory: Path,
    config_class: type[Any],
    *,
    kind: type,
    vision: dict[str, Any],
    text: dict[str, Any] | None = None,
    processor: str = "Qwen2VLProcessor",
    template: str = "qwen2_vl",
) -> Path:
    tokenizer = qwen_tokenizer({}, PICTURE)
    start, end, image, video = tokenizer.convert_tokens_to_ids(PICTURE)
    config = config_class(
        text_config={**LANGUAGE, **token_ids(tokenizer), "rope_parameters": POSITIONS, **(text or {})},
        vision_config=vision,
        vision_start_token_id=start,
        vision_end_token_id=end,
        image_token_id=image,
        video_token_id=video,
    )
    patches: dict[str, Any] = {"patch_size": PATCH, "merge_size": 2, "temporal_patch_size": 2}
    token_pixels = (2 * PATCH) ** 2
    return save(
        directory,
        build_model(kind, config, ends=[tokenizer.eos_token_id, tokenizer.pad_token_id]),
        tokenizer=tokenizer,
        images=Qwen2VLImageProcessorPil(
            **patches, size={"shortest_edge": 4 * token_pixels, "longest_edge": 48 * token_pixels}
        ),
        processor={"processor_class": processor},
        template=template,
    )
