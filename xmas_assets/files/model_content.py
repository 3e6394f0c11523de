"""The files that make a model what it is: those that are downloaded, and that its digest is over."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from xmas_assets.contracts.errors import ModelError
from xmas_assets.files.notes import read_note
from xmas_assets.files.whole import file_sha256, file_stamps, files_digest

MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
"""Weights, configuration, tokenizer and template."""

_MAX_JSON = 2**25  # an index of 100,000 weights has 10 MB


def model_files(directory: Path) -> list[Path]:
    """A model's files, by name."""
    return sorted({path for pattern in MODEL_FILES for path in directory.glob(pattern)})


def read_model_json(path: Path) -> dict[str, Any]:
    """The object in one of a model's JSON files.

    Raises:
        ModelError: If it is not there, too large or too deep, not JSON, or no object.
    """
    try:
        content = read_note(path, most=_MAX_JSON)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not readable as JSON: {error}; copy or download the model again") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}, not an object; copy or download the model again")
    return content


def model_digest(directory: Path) -> str:
    """Hex SHA-256 of a model's content: the names and bytes of its files."""
    return files_digest(model_files(directory), below=directory)


def known_digest(directory: Path) -> str:
    """``model_digest``, of which hashing takes minutes, once per process for files that did not change."""
    digest = hashlib.sha256()
    for path in model_files(directory):
        digest.update(f"{path.name}\0{known_sha256(path)}\n".encode())
    return digest.hexdigest()


def known_sha256(path: Path) -> str:
    """``file_sha256``, once per process for a file that did not change."""
    return _sha256_once(path, *file_stamps([path]))


@lru_cache(maxsize=4096)
def _sha256_once(path: Path, _stamp: tuple[str, int, int, int, int]) -> str:
    return file_sha256(path)
