"""Bases whose language model is held in 8 or 4 bits per weight, by bitsandbytes."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageTextToText, BitsAndBytesConfig

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.processors import LOCAL

# Weights in 4 bits that share a scale. Where a row ends within a block, bitsandbytes 0.50 reads it wrongly on a CPU.
_BLOCK = 64


def require_bitsandbytes(wanted: str) -> None:
    """Refuse what bitsandbytes does where it is not installed.

    Args:
        wanted: The setting that needs it, with its value.

    Raises:
        ModelError: It names the command that installs it.
    """
    if find_spec("bitsandbytes") is None:
        raise ModelError(f"{wanted} needs bitsandbytes, which is not installed; run: pip install 'xmas-assets[gpu]'")


def quantized_loading(directory: Path, settings: BaseModelSettings) -> dict[str, Any]:
    """Arguments of ``from_pretrained`` that quantise the language model's linear layers; none, if none is wanted.

    Everything else keeps its type: vision tower, connector, embeddings, the vocabulary layer and extra parameters.

    Args:
        directory: Of a whole model.
        settings: How to quantise, the type to compute in, and the device.

    Raises:
        ModelError: If bitsandbytes is not installed.

    Source:
        LLM.int8() (arXiv 2208.07339); NF4 with double quantisation: QLoRA (arXiv 2305.14314), sections 3 and 4.
    """
    if settings.quantization == "none":
        return {}
    require_bitsandbytes(f"quantization {settings.quantization!r}")
    config = BitsAndBytesConfig(
        load_in_8bit=settings.quantization == "int8",
        load_in_4bit=settings.quantization == "nf4",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, settings.dtype),
        llm_int8_skip_modules=_kept_layers(directory, 1 if settings.quantization == "int8" else _BLOCK),
    )
    return {"quantization_config": config, "device_map": {"": settings.device}}


def settle(model: Any) -> None:
    """Let 4-bit layers compute the same on any processor, with gradients or without.

    Where a processor has AVX-512 for bfloat16, bitsandbytes would pack their weights anew for passes without gradients:
    rounded to bfloat16, and for sizes that are multiples of 64 only.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def is_quantized(model: Any) -> bool:
    """Whether a model of transformers has quantised weights, by our settings or by its own config."""
    return getattr(model, "is_quantized", False)


def stored_weights(directory: Path) -> Iterator[tuple[str, Tensor]]:
    """Weights as a whole model's files hold them, by their names there: quantising hides values that are not finite."""
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            yield from ((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118 - it is no dictionary


def _kept_layers(directory: Path, block: int) -> list[str]:
    """Names of the linear layers outside the language model, and of those whose rows are no whole blocks."""
    config = AutoConfig.from_pretrained(directory, **LOCAL)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    inside = set(model.get_decoder().modules())
    linear = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    return [name for name, part in linear if part not in inside or part.in_features % block]
