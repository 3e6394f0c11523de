"""Checking a model's directory before anything in it is loaded: it may come from anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open

from xmas_assets.contracts.errors import ModelError, XmasError
from xmas_assets.contracts.messages import one_line, shown
from xmas_assets.files.model_content import model_files, read_model_json
from xmas_assets.vlm.devices import device_failures

WEIGHTS_INDEX = "model.safetensors.index.json"
_WHOLE = "model.safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_TEMPLATES = ("*.jinja", "additional_chat_templates/*.jinja")
_CONFIGS = ("*config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json")
# Far above what models have; more takes minutes and gigabytes to read, where it ends at all.
_COUNTED = ("num_hidden_layers", "num_layers", "n_layers", "depth", "num_labels")
_MAX_LABELS = 100_000
_MAX_CONFIG = 2**23  # bytes
_MAX_TEMPLATE = 2**20
_MAX_TOKENIZER = 2**26  # the largest of 2026, for 260,000 tokens, has 35 MB
_MAX_WEIGHTS = 300_000  # tensors; a trillion weights of 384 experts a layer are 150,000


def check_files(directory: Path) -> None:
    """Refuse a model directory that is incomplete, unreasonably large or could run code, before it is loaded.

    Raises:
        ModelError: Without config.json, with pickled weights only, with a file of the weights missing or elsewhere,
            with a file that is too large or no file, or with code of its own (``auto_map``).
    """
    if not (directory / "config.json").is_file():
        raise ModelError(f"{directory} holds no config.json; give the directory of a whole model")
    _check_small_files(directory)
    pickles = sorted(path.name for pattern in _PICKLES for path in directory.glob(pattern))
    if pickles and not any(directory.glob("*.safetensors")):
        raise ModelError(
            f"{directory} holds only pickled weights {pickles}, which can run code; convert to safetensors"
        )
    index = directory / WEIGHTS_INDEX
    shards = _shards_of(index) if index.is_file() else {_WHOLE}
    missing = sorted(name for name in shards if not (directory / name).is_file())
    if missing or not shards:
        raise ModelError(
            f"{directory} lacks the weights {missing[:3]} ({len(missing)} in all); copy or download the model again"
        )
    # transformers takes the whole one where there are both.
    _check_size(directory, {_WHOLE} if (directory / _WHOLE).is_file() else shards)


def _check_small_files(directory: Path) -> None:
    """Refuse what would be waited for, or would fill the memory: transformers reads these files whole."""
    templates = {path for pattern in _TEMPLATES for path in directory.glob(pattern)}
    configs = {path for pattern in _CONFIGS for path in directory.glob(pattern)}
    for path in sorted({*model_files(directory), *templates}):
        if not path.is_file():  # a pipe, a folder, or a link to nothing
            raise ModelError(f"{path} is not a regular file; copy or download the model again")
        most = _MAX_TEMPLATE if path in templates else _MAX_CONFIG if path in configs else _MAX_TOKENIZER
        if path.suffix != ".safetensors" and path.stat().st_size > most:
            raise ModelError(
                f"{path} has {path.stat().st_size:,} bytes, more than {most:,}; copy or download the model again"
            )
    for path in sorted(configs):
        if "auto_map" in read_model_json(path):
            raise ModelError(f"{path} asks for code of its own (auto_map), which is never run; use a model without it")


def _shards_of(index: Path) -> set[str]:
    """The files that an index names, all of its own folder: no others are part of the model's digest."""
    content = read_model_json(index).get("weight_map")
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content.values()):
        raise ModelError(f"{index} names no files of weights; copy or download the model again")
    for name in content.values():
        if not name.endswith(".safetensors") or set("/\\\0") & set(name):
            raise ModelError(
                f"{index} names {shown(name)}, which is no safetensors file beside it; copy or download the model again"
            )
    return set(content.values())


def _check_size(directory: Path, shards: set[str]) -> None:
    """Refuse more weights than any model has, and a config with more layers than weights: they take for ever."""
    n_weights = 0
    for name in shards:
        with readable(directory), safe_open(directory / name, "pt") as file:
            n_weights += len(file.keys())
    if n_weights > _MAX_WEIGHTS:
        raise ModelError(f"{directory} has {n_weights:,} weights, more than {_MAX_WEIGHTS:,}; use another model")
    for name, count in _counts(read_model_json(directory / "config.json")):
        if count > (_MAX_LABELS if name == "num_labels" else n_weights):
            raise ModelError(
                f"{directory} has {n_weights} weights, and {name} {count} in its config; use its own config"
            )


def _counts(config: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Numbers of what is made one by one, in a config and in those of its parts."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _counts(value)
        elif isinstance(value, list) and name == "vision_feature_layer":
            yield name, len(value)
        elif isinstance(value, int) and name in _COUNTED:
            yield name, value


@contextmanager
def readable(directory: Path) -> Iterator[None]:
    """Turn what ``transformers`` raises for a directory that it cannot load into a ``ModelError``."""
    try:
        with device_failures():
            yield
    except XmasError:
        raise
    except ImportError as error:
        raise ModelError(f"the model in {directory} needs a library that is missing: {one_line(error)}") from error
    except Exception as error:  # its files can make the libraries raise anything
        raise ModelError(f"the model in {directory} cannot be loaded: {one_line(error)}") from error
