"""Signals and LoRA training in bfloat16, on the CPU and on a card: how far from float32, and still resumable."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.settings import BaseModelSettings, Settings
from xmas_assets.contracts.signal_settings import TrajectorySettings
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.training.run_directory import read_record
from xmas_assets_tests.extraction.worlds import values_of
from xmas_assets_tests.families import FAMILIES
from xmas_assets_tests.families.training import train_family
from xmas_assets_tests.families.worlds import CONVERSATIONS, draw
from xmas_assets_tests.training.small import stopping_at

NO_CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no NVIDIA card")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_CARD])]
TRIED = ["llava", "qwen2_5_vl", *(pytest.param(name, marks=pytest.mark.slow) for name in ("smolvlm", "gemma3"))]
#: How far the values of all rows together may be from those in float32, as a share of their size: about twice the
#: largest of what these families showed on a CPU.
TOLERANCE = {
    "attention_trajectories": {"values": 0.05},
    "attention_maps": {"values": 0.12},
    "block_activations": {"values": 0.2},
    "features": {"pooled": 0.2},
    "token_spectra": {"entropy": 0.005, "leading_share": 0.02, "last_token": 0.1},
    "attended_features": {"features": 0.2},
    "answer_scores": {"loss": 0.01, "perplexity": 0.05, "el2n": 0.01, "aum": 0.06, "ifd": 0.01},
}


@pytest.fixture(scope="module", params=TRIED)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp("base") / request.param)


@pytest.fixture(scope="module")
def exact(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    return read(base, BaseModelSettings(max_tokens=4096), tmp_path_factory.mktemp("exact"))


def read(base: Path, settings: BaseModelSettings, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Every signal's columns, each of shape (n_rows, -1); NaN where a row has no value."""
    signals = make_signals(READ_IN_ONE_PASS, Settings())
    found = extract_signals(
        signals=signals,
        samples=list(CONVERSATIONS.values()),
        open_image=draw,
        checkpoints=[Checkpoint(step, base, digest=str(step)) for step in (1, 2)],
        base=None,
        base_settings=settings,
        settings=TrajectorySettings(batch_size=4, shard_size=16),
        workspaces={signal.name: folder / signal.name for signal in signals},
    )
    return {
        name: {column: values.reshape(len(values), -1) for column, values in values_of(extracted).items()}
        for name, extracted in found.items()
    }


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    """Distance as a share of the size, over the rows that have a value."""
    has_value = ~np.isnan(expected).any(1)
    found, expected = found[has_value], expected[has_value]
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("device", DEVICES)
def test_signals_in_bfloat16_are_those_in_float32_within_tolerance(base: Path, exact, device: str, tmp_path: Path):
    found = read(base, BaseModelSettings(max_tokens=4096, dtype="bfloat16", device=device), tmp_path)
    assert {name: set(columns) for name, columns in TOLERANCE.items()} == {
        name: set(columns) for name, columns in found.items()
    }
    for name, columns in found.items():
        for column, values in columns.items():
            assert (np.isnan(values) == np.isnan(exact[name][column])).all(), (name, column)
            assert apart(values, exact[name][column]) <= TOLERANCE[name][column], (name, column)


def test_the_tolerance_is_less_than_what_tells_rows_apart(exact):
    """Else another row's values would pass for a row's own; one score is nearly the same for all of these rows."""
    for name, columns in exact.items():
        for column, values in columns.items():
            if (name, column) != ("answer_scores", "el2n"):
                others = np.roll(values[~np.isnan(values).any(1)], 1, axis=0)
                assert apart(others, values[~np.isnan(values).any(1)]) > TOLERANCE[name][column], (name, column)


@pytest.mark.parametrize("device", DEVICES)
def test_lora_training_in_bfloat16_learns_and_goes_on_where_it_was_broken_off(base: Path, device: str, tmp_path: Path):
    options = {"base_settings": BaseModelSettings(dtype="bfloat16", device=device)}
    whole = train_family(base, tmp_path / "whole", "lora", **options)
    record = read_record(tmp_path / "whole")
    assert sum(record.losses[6:]) < 0.97 * sum(record.losses[:3])
    with pytest.raises(KeyboardInterrupt):
        train_family(base, tmp_path / "broken", "lora", progress=stopping_at(6), **options)
    done: list[float] = []
    resumed = train_family(base, tmp_path / "broken", "lora", progress=lambda p: done.append(p.done), **options)
    assert done == [5, 6, 7, 8, 9]
    expected, found = (load_file(run[-1].path / "adapter_model.safetensors") for run in (whole, resumed))
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        # On a card sums come in no fixed order, so that bytes differ.
        torch.testing.assert_close(found[name], values, rtol=0, atol=0 if device == "cpu" else 2e-2)


@pytest.mark.gpu
@NO_CARD
def test_the_memory_of_a_run_on_a_card_is_what_it_held_there(base: Path, tmp_path: Path):
    train_family(base, tmp_path, "lora", base_settings=BaseModelSettings(dtype="bfloat16", device="cuda"))
    peak = read_record(tmp_path).peak_memory_bytes
    assert peak is not None
    assert sum(path.stat().st_size for path in base.glob("*.safetensors")) // 2 < peak < 1 << 30
