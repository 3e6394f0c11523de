"""Optimisers whose state is in 8 bits: what they keep, and that a run of theirs resumes to the same bytes."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import TrainingSettings, WarmupSettings
from xmas_assets.training.run_directory import read_record
from xmas_assets_tests.training.small import LORA, settings, stopping_at, train, weights

RUNS = [("adamw_8bit", None), ("adamw_8bit", LORA), ("paged_adamw_8bit", LORA)]
EIGHT_BITS = ("adamw_8bit", "paged_adamw_8bit")
needs_bitsandbytes = pytest.mark.skipif(
    "not __import__('importlib.util').util.find_spec('bitsandbytes')", reason="there is no build of it for this machine"
)


@needs_bitsandbytes
@pytest.mark.parametrize(
    ("optimizer", "lora"), [("adamw_8bit", None), ("adamw_8bit", LORA), ("paged_adamw_8bit", LORA)]
)
def test_a_run_that_is_broken_off_ends_with_the_same_bytes(base: Path, tmp_path: Path, optimizer: str, lora: object):
    chosen = settings(optimizer=optimizer, lora=lora)
    whole = train(base, tmp_path / "whole", settings=chosen)
    with pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "stopped", settings=chosen, progress=stopping_at(7))
    assert weights(train(base, tmp_path / "stopped", settings=chosen)) == weights(whole)


@needs_bitsandbytes
def test_the_state_is_in_8_bits_and_the_losses_are_nearly_those_of_adamw(base: Path, tmp_path: Path):
    train(base, tmp_path / "adamw", settings=settings())
    with pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "8 bits", settings=settings(optimizer="adamw_8bit"), progress=stopping_at(4))
    state = torch.load(tmp_path / "8 bits" / "state" / "checkpoint-3" / "optimizer.pt", weights_only=True)["state"]
    kept = [values for values in _tensors(state) if values.numel() >= 4096]  # smaller weights' stay in 32
    n_bytes = sum(values.numel() * values.element_size() for values in kept)
    assert {values.dtype for values in kept} == {torch.uint8, torch.float32}  # embeddings' stay in 32, too
    assert n_bytes < 0.5 * 4 * sum(values.numel() for values in kept)
    train(base, tmp_path / "8 bits", settings=settings(optimizer="adamw_8bit"))
    exact, rounded = (read_record(tmp_path / name).losses for name in ("adamw", "8 bits"))
    assert rounded == pytest.approx(exact, rel=0.02)
    assert rounded != exact


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict):
        for part in state.values():
            yield from _tensors(part)


@pytest.mark.parametrize("optimizer", EIGHT_BITS)
def test_where_the_library_is_missing_the_command_that_installs_it_is_named(
    base: Path, tmp_path: Path, optimizer: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError) as caught:
        train(base, tmp_path / "run", settings=settings(optimizer=optimizer))
    assert str(caught.value) == (
        f"optimizer {optimizer!r} needs bitsandbytes, which is not installed; run: pip install 'xmas-assets[gpu]'"
    )
    assert not (tmp_path / "run").exists()


def test_the_default_is_as_before_and_another_is_another_run():
    assert TrainingSettings(optimizer="adamw").digest() == TrainingSettings().digest()
    assert len({TrainingSettings(optimizer=name).digest() for name in ("adamw", *EIGHT_BITS)}) == 3


@pytest.mark.parametrize("optimizer", EIGHT_BITS)
def test_a_warm_up_whose_adam_state_is_read_keeps_it_whole(optimizer: str):
    with pytest.raises(ValidationError, match="Input should be 'adamw'"):
        WarmupSettings.model_validate({"optimizer": optimizer})
