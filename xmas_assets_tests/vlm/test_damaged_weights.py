"""Weights files that say one thing and hold another, and models whose parts do not fit (FAULTS 60 and 64)."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.toy.untrained import build_untrained

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return build_untrained(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def model(whole, tmp_path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(whole, tmp_path / "model")


def rewrite_header(model: Path, change) -> None:
    """Replace a weights file's header by ``change(header as text)``; the numbers stay as they are."""
    data = (model / WEIGHTS).read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = change(data[8:end].decode()).encode()
    (model / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header + data[end:])


def tensors(header: dict) -> list[str]:
    return sorted(set(header) - {"__metadata__"}, key=lambda name: header[name]["data_offsets"])


def overlap(text: str) -> str:
    header = json.loads(text)
    first, second = tensors(header)[:2]
    header[second] = header[first]
    return json.dumps(header)


def leave_a_hole(text: str) -> str:
    header = json.loads(text)
    del header[tensors(header)[1]]
    return json.dumps(header)


def repeat_a_key(text: str) -> str:
    """Give the first weight a second entry, which takes the place of the second weight's."""
    header = json.loads(text)
    first, second = tensors(header)[:2]
    entry = json.dumps(header.pop(second))
    return json.dumps(header)[:-1] + f", {json.dumps(first)}: {entry}}}"


@pytest.mark.parametrize("change", [overlap, leave_a_hole, repeat_a_key])
def test_weights_that_overlap_leave_a_hole_or_stand_twice_are_refused(model, change):
    rewrite_header(model, change)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_vlm(model, BaseModelSettings())


def test_a_header_of_more_than_100_mb_is_refused(model):
    rewrite_header(model, lambda text: text + " " * 100_000_001)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_vlm(model, BaseModelSettings())


def test_fewer_embeddings_than_the_tokenizer_has_tokens_are_refused(model):
    weights = load_file(model / WEIGHTS)
    config = json.loads((model / "config.json").read_text())
    n_rows = config["text_config"]["vocab_size"]
    config["text_config"]["vocab_size"] = 20
    (model / "config.json").write_text(json.dumps(config))
    for name, values in weights.items():
        if values.shape[0] == n_rows and torch.is_floating_point(values):
            weights[name] = values[:20].clone()
    save_file(weights, model / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"does not fit the model .* 20 embeddings\)"):
        load_vlm(model, BaseModelSettings())
