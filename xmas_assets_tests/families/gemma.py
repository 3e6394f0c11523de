"""Tiny models on Gemma: sight of the whole picture, sliding windows, and caps on scores."""

from pathlib import Path
from typing import Any

from transformers import (
    Gemma2Config,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4TextConfig,
    Gemma4VisionConfig,
    GemmaConfig,
    GemmaTokenizer,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PreTrainedConfig,
    SiglipVisionConfig,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
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
    write_video_processor,
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


def build_gemma4(directory: Path) -> Path:
    """Gemma 4 without its ears: a picture by its size has up to 70 tokens, the fewest that the processor allows."""
    patch, pooling = 4, 3
    picture = {"boi_token": "<|image>", "eoi_token": "<image|>", "image_token": "<|image|>"}
    sound = {"boa_token": "<|audio>", "eoa_token": "<audio|>", "audio_token": "<|audio|>"}
    tokenizer = piece_tokenizer(
        GemmaTokenizer, NAMES | picture | sound, more=["<|video|>", "<|turn>", "<turn|>"], add_bos_token=True
    )
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<turn|>")]
    config = Gemma4Config(
        text_config=Gemma4TextConfig(
            **LANGUAGE | {"global_head_dim": 16},
            **token_ids(tokenizer),
            sliding_window=WINDOW,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            final_logit_softcapping=30.0,
            use_bidirectional_attention="vision",
            vocab_size_per_layer_input=len(tokenizer),
            hidden_size_per_layer_input=8,
        ),
        vision_config=Gemma4VisionConfig(
            **TOWER,
            num_key_value_heads=2,
            head_dim=16,
            patch_size=patch,
            pooling_kernel_size=pooling,
            position_embedding_size=256,
        ),
        audio_config=None,
        boi_token_id=tokenizer.boi_token_id,
        eoi_token_id=tokenizer.eoi_token_id,
        image_token_id=tokenizer.image_token_id,
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
        boa_token_id=tokenizer.boa_token_id,
        eoa_token_index=tokenizer.eoa_token_id,
        audio_token_id=tokenizer.audio_token_id,
    )
    images = Gemma4ImageProcessorPil(patch_size=patch, pooling_kernel_size=pooling, max_soft_tokens=70)
    save(
        directory,
        build_model(Gemma4ForConditionalGeneration, config, ends=ends),
        tokenizer=tokenizer,
        images=images,
        processor={"processor_class": "Gemma4Processor", "image_seq_length": 70},
        template="gemma4",
    )
    write_json(directory / "config.json", {"eos_token_id": ends})
    write_video_processor(directory, "Gemma4VideoProcessor")
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
