"""Tiny models that cannot be trained on a prompt, its picture and the answer in one sequence: to be refused."""

from pathlib import Path
from typing import Any

from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    MllamaConfig,
    MllamaForConditionalGeneration,
    OPTConfig,
    PreTrainedConfig,
    T5Config,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

from xmas_assets_tests.families.building import (
    LANGUAGE,
    SIZES,
    TOWER,
    build_model,
    byte_tokenizer,
    save,
    token_ids,
)

SIZE = 32
PATCH = 8
BLIP_TOKENS = {"pad_token": "<pad>", "bos_token": "</s>", "eos_token": "</s>"}


def build_blip2_t5(directory: Path) -> Path:
    """BLIP-2 on T5: an encoder reads the prompt, a decoder writes the answer."""
    tokenizer = byte_tokenizer(BLIP_TOKENS, ["<image>"])
    text = T5Config(
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return _build_blip2(directory, text, tokenizer=tokenizer)


def build_blip2_opt(directory: Path) -> Path:
    """BLIP-2 on OPT: no chat template."""
    tokenizer = byte_tokenizer(BLIP_TOKENS, ["<image>"])
    text = OPTConfig(
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        word_embed_proj_dim=32,
        **token_ids(tokenizer),
    )
    return _build_blip2(directory, text, tokenizer=tokenizer)


def build_mllama(directory: Path) -> Path:
    """Llama 3.2 Vision: pictures are not in the sequence, but keys of layers of their own."""
    names = {"pad_token": "<|finetune_right_pad_id|>", "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
    turns = ["<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>"]
    # The picture's token is the one behind the vocabulary, which the head cannot write.
    tokenizer = byte_tokenizer(names, turns, add_bos_token=True)
    text = {**LANGUAGE, **token_ids(tokenizer), "cross_attention_layers": [1]}
    tokenizer.add_special_tokens({"additional_special_tokens": [*turns, "<|image|>"]})
    config = MllamaConfig(
        text_config=text,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 2,
            "image_size": SIZE,
            "patch_size": PATCH,
            "intermediate_layers_indices": [0],
            "vision_output_dim": 64,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<|image|>"),
    )
    return save(
        directory,
        build_model(MllamaForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=MllamaImageProcessorPil(size={"height": SIZE, "width": SIZE}),
        processor={"processor_class": "MllamaProcessor"},
        template="mllama",
    )


def _build_blip2(directory: Path, text: PreTrainedConfig, *, tokenizer: Any) -> Path:
    n_queries = 4
    config = Blip2Config(
        text_config=text,
        vision_config={**TOWER, "image_size": SIZE, "patch_size": PATCH},
        qformer_config={**SIZES, "num_hidden_layers": 2, "vocab_size": 8},
        num_query_tokens=n_queries,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return save(
        directory,
        build_model(Blip2ForConditionalGeneration, config, ends=[tokenizer.eos_token_id]),
        tokenizer=tokenizer,
        images=BlipImageProcessorPil(size={"height": SIZE, "width": SIZE}),
        processor={"processor_class": "Blip2Processor", "num_query_tokens": n_queries},
        template=None,
    )
