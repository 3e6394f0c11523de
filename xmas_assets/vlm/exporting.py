"""Adapters as directories that other programs load: with the name of their base, or merged into it."""

import json
from collections import Counter
from math import prod
from pathlib import Path

import torch
from safetensors import safe_open

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.files.model_content import read_model_json
from xmas_assets.files.whole import copy_into
from xmas_assets.vlm.loading import ADAPTER_FILE, base_of_adapter, copy_processor, load_vlm
from xmas_assets.vlm.quantization import is_quantized

_FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def write_adapter(adapter: Path, directory: Path, *, base: Path, name: str, revision: str | None) -> None:
    """Write an adapter as it was saved, with the name of its base, and the processor of that.

    Args:
        adapter: A checkpoint that training saved.
        directory: Where to write; exists and is empty.
        base: Directory of the model that it was trained on.
        name: Of the base, as peft is to find it: a directory or a hub id.
        revision: Commit of a hub id.

    Raises:
        ModelError: If the base is gone, or is not the one that the adapter was trained on.
    """
    copy_processor(base_of_adapter(adapter, base), directory)
    copy_into(directory, adapter.iterdir())
    path = directory / ADAPTER_FILE
    config = read_model_json(path) | {"base_model_name_or_path": name, "revision": revision}
    path.write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")


def write_merged(adapter: Path, directory: Path, *, base: Path) -> None:
    """Write an adapter and its base as one model: merged in float32, written in the type of the base's weights.

    Everything but the weights is the base's own, byte for byte. This takes four bytes of memory per weight.

    Args:
        adapter: A checkpoint that training saved.
        directory: Where to write; exists and is empty.
        base: Directory of the model that it was trained on.

    Raises:
        ModelError: As of ``load_vlm``, or if the base's own files hold quantised weights.
    """
    model = load_vlm(adapter, BaseModelSettings(dtype="float32"), base=base).model
    if is_quantized(model):
        raise ModelError(f"{base} holds quantised weights, to which nothing can be added; export without --merge")
    model.to(_stored_dtype(base)).save_pretrained(directory)
    copy_processor(base, directory)
    files = (base / "config.json", base / "generation_config.json")
    copy_into(directory, (path for path in files if path.is_file()))


def _stored_dtype(directory: Path) -> torch.dtype:
    """The type that most of a model's numbers are stored in."""
    sizes: Counter[torch.dtype] = Counter()
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dictionary
                part = file.get_slice(name)
                if part.get_dtype() in _FLOATS:
                    sizes[_FLOATS[part.get_dtype()]] += prod(part.get_shape())
    return sizes.most_common(1)[0][0]
