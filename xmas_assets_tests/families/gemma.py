"""Tiny models on Gemma: sight of the whole picture, sliding windows, and caps on scores."""

from pathlib import Path
from typing import Any

from transformers import (
    Gemma2Config,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaTokenizer,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PreTrainedConfig,
    SiglipVisionConfig,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.paligemma.processing_paligemma import EXTRA_TOKENS
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from xmas_assets_tests.families.building import (
    LANGUAGE,
    TOWER,
    build_model,
    piece_tokenizer,
    save,
    token_ids,
    write_json,
)

SIZE = 32
#: Shorter than a picture and its question, so that the layers that slide differ from those that do not.
WINDOW = 12
NAMES = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>", "mask_token": "<mask>"}


def build_paligemma(directory: Path) -> Path:
    """PaliGemma: every picture is 16 tokens, the prompt is seen both ways, and there is no chat template."""
    return _build_paligemma(directory, GemmaConfig)


def build_paligemma2(directory: Path) -> Path:
    """PaliGemma 2: as PaliGemma, with Gemma 2's sliding layers and its caps on scores and logits."""
    caps = {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "query_pre_attn_scalar": 8}
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    return _build_paligemma(directory, Gemma2Config, **caps, sliding_window=WINDOW, layer_types=layers)


def build_gemma3(directory: Path) -> Path:
    """Gemma 3: every picture is 16 tokens that see each other; two sliding layers to one that sees all."""
    n_image_tokens, patch = 16, 4
    picture = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    tokenizer = piece_tokenizer(
        GemmaTokenizer, NAMES | picture, more=["<start_of_turn>", "<end_of_turn>"], add_bos_token=True
    )
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    config = Gemma3Config(
        text_config=Gemma3TextConfig(
            **LANGUAGE,
            **token_ids(tokenizer),
            query_pre_attn_scalar=8,
            sliding_window=WINDOW,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        ),
        vision_config=SiglipVisionConfig(**TOWER, image_size=SIZE, patch_size=patch, vision_use_head=False),
        mm_tokens_per_image=n_image_tokens,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
    )
    save(
        directory,
        build_model(Gemma3ForConditionalGeneration, config, ends=ends),
        tokenizer=tokenizer,
        images=Gemma3ImageProcessorPil(size={"height": SIZE, "width": SIZE}),
        processor={"processor_class": "Gemma3Processor", "image_seq_length": n_image_tokens},
        template="gemma3",
    )
    write_json(directory / "config.json", {"eos_token_id": ends})
    return directory


def _build_paligemma(directory: Path, text_class: type[PreTrainedConfig], **text: Any) -> Path:
    patch = 8
    n_image_tokens = (SIZE // patch) ** 2
    names = NAMES | {"image_token": "<image>"}
    tokenizer = piece_tokenizer(GemmaTokenizer, names, more=EXTRA_TOKENS, add_bos_token=True)
    config = PaliGemmaConfig(
        text_config=text_class(**LANGUAGE, **token_ids(tokenizer), **text),
        vision_config=SiglipVisionConfig(**TOWER, image_size=SIZE, patch_size=patch, vision_use_head=False),
        image_token_index=tokenizer.image_token_id,
        projection_dim=LANGUAGE["hidden_size"],
        hidden_size=LANGUAGE["hidden_size"],
    )
    save(
        directory,
        build_model(PaliGemmaForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE}),
        processor={"processor_class": "PaliGemmaProcessor"},
        template=None,
    )
    write_json(directory / "preprocessor_config.json", {"image_seq_length": n_image_tokens})
    return directory
