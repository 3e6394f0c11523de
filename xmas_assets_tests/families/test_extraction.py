"""Signals and gradients of every family, extracted from checkpoints as a run does."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings, Settings
from xmas_assets.contracts.signal_settings import (
    AttentionMapSettings,
    GradientSettings,
    SignalSettings,
    TrajectorySettings,
)
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.extraction import gradient_passes
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.extraction.gradients import extract_gradients
from xmas_assets.extraction.projection import Projection
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.files.model_content import model_digest
from xmas_assets.training.adapters import prepare_training, save_trained, trained_weights
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.probes import kept_of_images
from xmas_assets_tests.extraction.worlds import values_of
from xmas_assets_tests.families.worlds import CONVERSATIONS, World, draw, own_call


class Adapted(NamedTuple):
    """Two LoRA checkpoints on a family's model, on disk; and the last one in memory, as peft runs it."""

    checkpoints: list[Checkpoint]
    model: Any


@pytest.fixture(scope="session")
def adapted(world: World, tmp_path_factory: pytest.TempPathFactory) -> Adapted:
    directory = tmp_path_factory.mktemp("adapters")
    vlm = load_vlm(world.directory, BaseModelSettings())
    model = prepare_training(vlm, LoraSettings(rank=2, alpha=4, dropout=0.0)).eval()
    generator = torch.Generator().manual_seed(0)
    checkpoints = []
    for step in (1, 2):
        for _, weight in trained_weights(model):
            weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
        path = directory / f"checkpoint-{step}"
        path.mkdir()
        save_trained(model, path, vlm=vlm, dtype=torch.float32, base_digest=model_digest(world.directory))
        checkpoints.append(Checkpoint(step, path, digest=str(step)))
    return Adapted(checkpoints, model)


def test_every_signal_has_finite_values_for_every_row_that_it_is_of(world: World, adapted: Adapted, tmp_path: Path):
    maps = AttentionMapSettings(layers="each")
    signals = make_signals(READ_IN_ONE_PASS, Settings(signals=SignalSettings(attention_maps=maps)))
    found = extract_signals(
        signals=signals,
        samples=list(CONVERSATIONS.values()),
        open_image=draw,
        checkpoints=adapted.checkpoints,
        base=world.directory,
        base_settings=BaseModelSettings(max_tokens=4096),
        settings=TrajectorySettings(batch_size=4, shard_size=16),
        workspaces={signal.name: tmp_path / signal.name for signal in signals},
    )
    is_missing = [not sample.images for sample in CONVERSATIONS.values()]
    for signal in signals:
        for name, values in values_of(found[signal.name]).items():
            is_nan = np.isnan(values.reshape(len(is_missing), -1))
            assert is_nan.all(1).tolist() == is_nan.any(1).tolist(), (signal.name, name)
            assert is_nan.any(1).tolist() == (is_missing if signal.needs_image else [False] * len(is_missing))
            assert len(np.unique(np.nan_to_num(values).reshape(len(is_missing), -1), axis=0)) > 4, (signal.name, name)


def test_gradients_are_autograds_of_each_row_alone(world: World, adapted: Adapted, tmp_path: Path):
    names = ["wide", "two", "turns", "text"]
    settings = GradientSettings(n_projected=64, batch_size=4, shard_size=4)
    gradients = extract_gradients(
        samples=[CONVERSATIONS[name] for name in names],
        open_image=draw,
        checkpoints=adapted.checkpoints,
        base=world.directory,
        base_settings=BaseModelSettings(max_tokens=4096),
        settings=settings,
        direction="last_gradient",
        workspace=tmp_path,
    )
    ((_, norms, projected),) = gradients.blocks()
    projection = Projection(64, seed=settings.seed, device="cpu")
    for number, name in enumerate(names):
        expected = autograd(world, adapted.model, name)
        whole = torch.cat(list(expected.values()))
        assert norms[number, 0] == pytest.approx(whole.norm().item(), rel=1e-3)
        wanted = torch.stack([projection.project(layer, values[None])[0] for layer, values in expected.items()]).sum(0)
        assert (torch.from_numpy(projected[number, 0]) - wanted).norm() < 1e-3 * wanted.norm()


def test_gradients_are_the_same_bytes_with_fewer_runs_of_the_tower_where_features_are_kept(
    world: World, adapted: Adapted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Three pictures in four batches of one row: run at each of two checkpoints, or once where the tower is apart."""
    n_runs: list[int] = []

    def read(folder: str) -> bytes:
        n_runs.append(0)
        gradients = extract_gradients(
            samples=[CONVERSATIONS[name] for name in ("one", "talk", "wide", "tall")],
            open_image=draw,
            checkpoints=adapted.checkpoints,
            base=world.directory,
            base_settings=BaseModelSettings(max_tokens=4096),
            settings=GradientSettings(n_projected=8, batch_size=1, shard_size=4),
            direction="gradient",
            workspace=tmp_path / folder,
        )
        return b"".join(path.read_bytes() for _, path in gradients.shard_arrays)

    kept = kept_of_images(world.vlm, list(world.rows.values()), world.pictures)
    kind = type(world.vlm.model.base_model)
    plain = kind.get_image_features

    def counting(*arguments: Any, **options: Any) -> Any:
        n_runs[-1] += 1
        return plain(*arguments, **options)

    monkeypatch.setattr(kind, "get_image_features", counting)
    monkeypatch.setattr(gradient_passes, "kept_of_images", lambda *_: kept)
    found = read("kept")
    monkeypatch.setattr(gradient_passes, "kept_of_images", lambda *_: "nothing")
    assert found == read("pixels")
    assert kept != "nothing"
    assert n_runs == [3 if kept == "tower" else 6, 8]


def autograd(world: World, model: Any, name: str) -> dict[str, Tensor]:
    """The gradient of one row's mean answer loss by linear layer, of A and then B."""
    model.zero_grad()
    row = world.rows[name]
    answers = np.flatnonzero(row.is_answer)
    logits = model(**own_call(world, CONVERSATIONS[name])).logits[0, answers - 1]
    cross_entropy(logits, torch.from_numpy(row.input_ids[answers]).long()).backward()
    weights = dict(model.named_parameters())
    layers = sorted(
        key.removesuffix(".lora_A.default.weight") for key in weights if key.endswith("lora_A.default.weight")
    )
    return {
        layer.removeprefix("base_model.model."): torch.cat(
            [weights[f"{layer}.lora_{part}.default.weight"].grad.flatten() for part in "AB"]
        )
        for layer in layers
    }
