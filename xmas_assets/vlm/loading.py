"""Checking and loading vision-language models: whole directories, and adapters beside their base."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText
from transformers.utils import logging as transformers_logging

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.files.model_content import known_digest, model_files, read_model_json
from xmas_assets.files.whole import copy_into
from xmas_assets.vlm.devices import check_device
from xmas_assets.vlm.directories import WEIGHTS_INDEX, check_files, readable
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.processors import LOCAL, read_processor
from xmas_assets.vlm.quantization import is_quantized, quantized_loading, settle, stored_weights

ADAPTER_FILE = "adapter_config.json"
BASE_NOTE = "base.json"
EXTRA_FILE = "extra.safetensors"
_OF_THE_MODEL = ("config.json", "generation_config.json", WEIGHTS_INDEX, ADAPTER_FILE, BASE_NOTE)


@dataclass(frozen=True)
class Vlm:
    """A model ready to use.

    Attributes:
        model: In evaluation mode, on its device.
        processor: Tokenizer, image processor and chat template.
        image_token_id: The token that stands for a piece of an image.
        directory: Where the weights came from.
    """

    model: Any
    processor: Any
    image_token_id: int
    directory: Path


def load_vlm(directory: Path, settings: BaseModelSettings, *, base: Path | None = None) -> Vlm:
    """Load a whole model, or an adapter on its base, with its processor.

    An adapter is merged into float32 weights; in bfloat16, where a sum would lose an update smaller than a 256th of the
    weight, it stays beside them, in bfloat16 as under the autocast of training. It stays beside quantised weights, too,
    in float32.

    Args:
        directory: Whole model, or a checkpoint that holds only an adapter.
        settings: Type of the weights, device, attention and quantisation.
        base: The whole model under an adapter; ignored for a whole model.

    Raises:
        ModelError: If files are missing, damaged or unsafe, the device is absent, the adapter belongs to another
            base, a weight is not finite, the processor does not fit the model, or the model or this machine does not
            have the attention that is asked for.
    """
    check_device(settings.device)
    is_adapter = (directory / ADAPTER_FILE).is_file()
    whole = base_of_adapter(directory, base) if is_adapter else directory
    check_files(whole)
    transformers_logging.disable_progress_bar()
    with readable(directory):
        processor = read_processor(whole)
        # On its device at once, where adapting and checking it are fast.
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            whole,
            use_safetensors=True,
            dtype=getattr(torch, settings.dtype),
            attn_implementation=None if settings.attention == "auto" else settings.attention,
            output_loading_info=True,
            **quantized_loading(whole, settings),
            **LOCAL,
        )
        model, report = loaded
        if settings.quantization == "none":
            model.to(settings.device)
        settle(model)
        if is_adapter:
            model = _adapted(model, directory)
        _check_finite(model, stored_weights(whole) if is_quantized(model) else (), directory)
    _check_loaded(model, processor, report, directory)
    model.eval()
    return Vlm(model, processor, model.config.image_token_id, directory)


def load_processor(directory: Path) -> Any:
    """Load a model's processor alone: tokenizer, image processor and chat template (a tokenizer, if it has no more).

    Raises:
        ModelError: If a file is missing, damaged or unsafe.
    """
    check_files(directory)
    with readable(directory):
        return read_processor(directory)


def base_of_adapter(directory: Path, base: Path | None) -> Path:
    """The base under an adapter; ``ModelError`` unless it is there, and the one that the adapter was trained on."""
    if base is None or not base.is_dir():
        raise ModelError(f"{directory} is an adapter on {base or 'a base'}, which is not there; restore that base")
    if not (directory / "adapter_model.safetensors").is_file():
        raise ModelError(f"{directory} lacks adapter_model.safetensors; adapters in pickled files are refused")
    note = directory / BASE_NOTE
    if not note.is_file():
        raise ModelError(f"{directory} lacks {BASE_NOTE}, which names its base; use a checkpoint that training saved")
    expected, seen = read_model_json(note)["digest"], known_digest(base)
    if seen != expected:
        raise ModelError(
            f"{directory} was trained on base {expected[:12]}, not on {base} ({seen[:12]}); restore that base"
        )
    return base


def _adapted(model: Any, directory: Path) -> Any:
    """The model with an adapter."""
    is_exact = model.dtype == torch.float32 and not is_quantized(model)
    extra = load_file(directory / EXTRA_FILE) if (directory / EXTRA_FILE).is_file() else {}
    own = dict(extra_parameters(model))
    if extra.keys() != own.keys():
        raise ModelError(
            f"{directory} has the weights {sorted(extra)} next to its adapter, its base {sorted(own)}; train it again"
        )
    for name, values in extra.items():
        own[name].data.copy_(values)
    with quiet_peft():
        adapted = PeftModel.from_pretrained(model, directory, use_safetensors=True, autocast_adapter_dtype=False)
    return adapted.merge_and_unload() if is_exact else adapted.get_base_model()


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Silence a warning that only peft can act on: it reads a property of transformers by a name that will go."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        yield


def extra_parameters(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    """Weights that stand in no module (LLaVA-NeXT's ``image_newline``), by name, which adapters do not hold."""
    return list(model.base_model.named_parameters(recurse=False))


def copy_processor(source: Path, directory: Path) -> None:
    """Put a model's processor next to weights trained from it: its files as they are, those for videos too."""
    files = [path for path in model_files(source) if path.suffix != ".safetensors"]
    copy_into(directory, (path for path in files if path.name not in _OF_THE_MODEL))


def _check_finite(model: Any, stored: Iterable[tuple[str, torch.Tensor]], directory: Path) -> None:
    weights = chain(model.named_parameters(), stored)
    not_finite = [name for name, values in weights if not torch.isfinite(values).all()]
    if not_finite:
        raise ModelError(f"{directory} has weights that are not finite: {not_finite[:3]}; it cannot be used")


def _check_loaded(model: Any, processor: Any, report: dict[str, Any], directory: Path) -> None:
    """Refuse a model with weights missing, or whose processor is another model's."""
    absent = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if absent:
        raise ModelError(f"{directory} lacks weights that its config needs: {absent[:3]} ({len(absent)} in all)")
    n_rows, n_tokens = model.get_input_embeddings().num_embeddings, len(processor.tokenizer)
    image_id = getattr(model.config, "image_token_id", None)
    # The mark of an image is mostly the token that is repeated; in Gemma 3 it is not.
    known = [processor.tokenizer.convert_tokens_to_ids(str(getattr(processor, "image_token", None)))]
    if image_id not in known and hasattr(processor, "image_processor"):
        known = sorted(Pictures(processor, lambda *_: Image.new("RGB", (64, 64))).token_ids())
    if image_id is None or image_id not in known or n_tokens > n_rows:
        raise ModelError(
            f"{directory}: the processor (image tokens {known}, {n_tokens} tokens) does not fit the model (image "
            f"token {image_id}, {n_rows} embeddings); use its own processor"
        )
