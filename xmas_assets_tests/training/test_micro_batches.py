"""``micro_batch_size: auto``: what is found, and that the run is the one with that number given."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from pydantic import ValidationError
from transformers.models.llama.modeling_llama import LlamaMLP

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings, DifficultySettings, LoraSettings, TrainingSettings
from xmas_assets.training import micro_batches
from xmas_assets.training.micro_batches import halves
from xmas_assets.training.run_directory import read_record
from xmas_assets_tests.training.small import LORA, settings, stopping_at, train, weights

SHORT = {"epochs": 1.0, "n_checkpoints": 1, "resume_steps": 2}
KINDS = {"full": None, "lora": LORA}


def hold(monkeypatch: pytest.MonkeyPatch, n_rows: int) -> None:
    """Let a device's memory hold so many rows in a pass."""
    plain = LlamaMLP.forward

    def forward(block: LlamaMLP, states: torch.Tensor) -> torch.Tensor:
        if len(states) > n_rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return plain(block, states)

    monkeypatch.setattr(LlamaMLP, "forward", forward)


@pytest.mark.parametrize("changes", [{}, {"gradient_checkpointing": True}, {"group_by_length": True}])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_finds_its_number_is_the_run_with_that_number_given(
    base: Path, tmp_path: Path, kind: str, changes: dict[str, bool], monkeypatch: pytest.MonkeyPatch
):
    options = SHORT | changes | {"lora": KINDS[kind]}
    given = train(base, tmp_path / "given", settings=settings(micro_batch_size=2, **options))
    hold(monkeypatch, 2)
    found = train(base, tmp_path / "found", settings=settings(micro_batch_size="auto", **options))
    assert weights(found) == weights(given)
    records = [read_record(tmp_path / name) for name in ("given", "found")]
    assert [record.micro_batch_size for record in records] == [2, 2]
    assert records[0].losses == records[1].losses


def test_what_was_found_is_kept_with_the_run_and_said(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    chosen = settings(micro_batch_size="auto", **SHORT)
    hold(monkeypatch, 2)
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "run", settings=chosen, progress=stopping_at(3))
    assert "micro_batch_size 'auto': the memory holds 2 rows in a pass" in caplog.text
    monkeypatch.undo()  # a machine with more memory
    resumed = train(base, tmp_path / "run", settings=chosen)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["micro_batch_size"] == 2
    given = train(base, tmp_path / "given", settings=settings(micro_batch_size=2, **SHORT))
    assert weights(resumed) == weights(given)
    train(base, tmp_path / "large", settings=chosen)
    large = read_record(tmp_path / "large")
    assert (large.micro_batch_size, large.run) == (4, read_record(tmp_path / "run").run)


def test_memory_that_holds_no_row_is_said_in_one_line(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hold(monkeypatch, 0)
    monkeypatch.setattr(micro_batches, "_bytes_kept", lambda *_: 1)  # it would not end a pass on a real CPU
    with pytest.raises(ModelError, match=r"^the device's memory does not hold one row of \d+ tokens in training; "):
        train(base, tmp_path, settings=settings(micro_batch_size="auto", **SHORT))


@pytest.mark.parametrize(("available", "expected"), [(1 << 60, 4), (1, 1)])
def test_on_a_cpu_half_of_the_free_memory_is_the_limit(
    base: Path, tmp_path: Path, available: int, expected: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))
    train(base, tmp_path, settings=settings(micro_batch_size="auto", **SHORT))
    assert read_record(tmp_path).micro_batch_size == expected


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(1, [1]), (2, [2, 1]), (7, [7, 1]), (12, [12, 6, 3, 1]), (15, [15, 5, 1]), (32, [32, 16, 8, 4, 2, 1])],
)
def test_every_number_that_is_tried_divides_the_batch(batch_size: int, sizes: list[int]):
    assert halves(batch_size) == sizes


def test_auto_is_another_run_than_any_number_and_no_other_word_is_taken():
    assert TrainingSettings(micro_batch_size="auto").digest() != TrainingSettings().digest()
    for wrong in (0, "most"):
        with pytest.raises(ValidationError):
            TrainingSettings.model_validate({"micro_batch_size": wrong})
    with pytest.raises(ValidationError):  # its scores are a softmax over a pass
        DifficultySettings.model_validate({"micro_batch_size": "auto"})


@pytest.mark.gpu
def test_a_gpu_holds_what_was_found(base: Path, tmp_path: Path):
    chosen = settings(micro_batch_size="auto", lora=LoraSettings(rank=4, alpha=8), **SHORT)
    train(base, tmp_path, settings=chosen, base_settings=BaseModelSettings(device="cuda", dtype="bfloat16"))
    assert read_record(tmp_path).micro_batch_size == 4
