import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from xmas_assets.contracts.errors import DatasetError, ModelError
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.contracts.signal_settings import TrajectorySettings
from xmas_assets.extraction.extracted import Extracted
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.extraction.trajectories import AttentionSpectra
from xmas_assets.vlm.forward import capture
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.prompts import Encoder
from xmas_assets_tests.extraction import worlds
from xmas_assets_tests.extraction.worlds import (
    N_SAMPLES,
    TEXT_ONLY_ROWS,
    CountingImages,
    draw,
    find_checkpoints,
    make_adapters,
    make_checkpoints,
    make_samples,
)

SETTINGS = TrajectorySettings(n_values=3, batch_size=4, shard_size=12)
N_CHECKPOINTS = 3


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoints(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def undisturbed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Extracted:
    return extract(models, tmp_path_factory.mktemp("undisturbed"))


def extract(models: Path, workspace: Path, *, settings: TrajectorySettings = SETTINGS, **changes) -> Extracted:
    signal = AttentionSpectra.of(settings)
    arguments = {
        "signals": [signal],
        "samples": make_samples(),
        "open_image": draw,
        "checkpoints": find_checkpoints(models),
        "base": None,
        "base_settings": BaseModelSettings(),
        "settings": settings,
        "workspaces": {signal.name: workspace},
    }
    return extract_signals(**(arguments | changes))[signal.name]


def values_of(trajectories: Extracted) -> np.ndarray:
    """Shape (n_samples, n_checkpoints, n_values)."""
    return worlds.values_of(trajectories)["values"]


def unread_rows(trajectories: Extracted) -> list[int]:
    return np.flatnonzero(np.isnan(values_of(trajectories)).all((1, 2))).tolist()


def shard_bytes(trajectories: Extracted) -> list[bytes]:
    return [path.read_bytes() for _, path in trajectories.shard_arrays]


def read_one_by_one(checkpoint: Path, samples: list[Sample], *, base: Path | None = None) -> np.ndarray:
    """The plain way: every sample alone, its pictures through the whole model."""
    vlm = load_vlm(checkpoint, BaseModelSettings(), base=base)
    pictures = Pictures(vlm.processor, draw)
    encoded, _ = Encoder.of(vlm, pictures, max_tokens=2048).encode(samples)
    signal = AttentionSpectra("causal", 3)
    seen = [capture(vlm, [row], signal.capture_spec(None), pictures.inputs, is_packed=False) for row in encoded]
    return np.concatenate([signal.read(captured)["values"] for captured in seen])


def test_values_equal_those_read_one_by_one_with_checkpoints_in_the_order_of_steps(
    undisturbed: Extracted, models: Path
):
    assert undisturbed.steps == (2, 9, 10)
    found = values_of(undisturbed)
    assert found.shape == (N_SAMPLES, N_CHECKPOINTS, 3)
    for number, step in enumerate((2, 9, 10)):
        expected = read_one_by_one(models / f"checkpoint-{step}", make_samples())
        np.testing.assert_allclose(found[:, number], expected, rtol=1e-4)


def test_rows_are_in_dataset_order_with_ids(undisturbed: Extracted):
    table = pa.Table.from_batches(undisturbed.batches())
    assert table.schema == undisturbed.schema
    assert str(table.schema.field("values").type) == "fixed_size_list<item: float>[9]"
    assert table["row"].to_pylist() == list(range(N_SAMPLES))
    assert table["sample_id"].to_pylist() == [f"sample-{row}" for row in range(N_SAMPLES)]


def test_text_only_rows_are_nan_and_others_positive(undisturbed: Extracted):
    assert unread_rows(undisturbed) == list(TEXT_ONLY_ROWS)
    assert (np.delete(values_of(undisturbed), TEXT_ONLY_ROWS, axis=0) > 0).all()
    assert undisturbed.notices == ()


@pytest.mark.parametrize("change", [{"batch_size": 1}, {"batch_size": 64}, {"shard_size": 5}, {"shard_size": 1000}])
def test_values_do_not_depend_on_batch_and_shard_size(undisturbed: Extracted, models: Path, tmp_path: Path, change):
    other = extract(models, tmp_path, settings=SETTINGS.model_copy(update=change))
    np.testing.assert_allclose(values_of(other), values_of(undisturbed), rtol=1e-5)


def test_values_do_not_depend_on_the_order_of_rows(undisturbed: Extracted, models: Path, tmp_path: Path):
    order = np.random.default_rng(0).permutation(N_SAMPLES)
    samples = make_samples()
    shuffled = extract(models, tmp_path, samples=[samples[row] for row in order])
    np.testing.assert_allclose(values_of(shuffled), values_of(undisturbed)[order], rtol=1e-5)


def test_the_reference_definition_gives_other_values(undisturbed: Extracted, models: Path, tmp_path: Path):
    other = extract(models, tmp_path, settings=SETTINGS.model_copy(update={"definition": "reference"}))
    has_image = np.delete(np.arange(N_SAMPLES), TEXT_ONLY_ROWS)
    ratio = values_of(other)[has_image, :, 0] / values_of(undisturbed)[has_image, :, 0]
    assert (abs(ratio - 1) > 0.01).any()


def test_each_image_is_opened_once_for_all_rows_and_checkpoints(models: Path, tmp_path: Path):
    images = CountingImages()
    one_image_each = [sample for sample in make_samples() if len(sample.images) == 1]
    extract(models, tmp_path, samples=one_image_each, open_image=images)
    assert images.opened == {f"picture-{number}": 1 for number in range(7)}


def test_a_trained_tower_is_run_at_every_checkpoint_and_noticed(tmp_path: Path):
    models = make_checkpoints(tmp_path / "models", touch_tower=True)
    found = extract(models, tmp_path / "work")
    assert [notice for notice in found.notices if "vision tower differs between checkpoints" in notice]
    expected = read_one_by_one(models / "checkpoint-10", make_samples())
    np.testing.assert_allclose(values_of(found)[:, 2], expected, rtol=1e-4)


def test_a_sample_too_long_to_be_read_has_no_trajectory_and_is_noticed(models: Path, tmp_path: Path):
    samples = make_samples()
    samples[1] = replace(samples[1], turns=(Turn("user", "<image>" + "word " * 300), Turn("assistant", "yes")))
    found = extract(models, tmp_path, samples=samples, base_settings=BaseModelSettings(max_tokens=200))
    assert found.notices[0].startswith("1 samples have no signals: with 200 tokens")
    assert "sample-1" in found.notices[0]
    assert unread_rows(found) == [1, *TEXT_ONLY_ROWS]


def test_adapters_are_read_on_their_base(tmp_path: Path):
    models = make_adapters(tmp_path / "models")
    found = extract(models, tmp_path / "work", base=models / "base")
    for number, step in enumerate((1, 2)):
        expected = read_one_by_one(models / f"checkpoint-{step}", make_samples(), base=models / "base")
        np.testing.assert_allclose(values_of(found)[:, number], expected, rtol=1e-4)
    assert found.notices == ()


@pytest.mark.parametrize("steps", [(), (2,), (2, 2)])
def test_fewer_than_two_checkpoints_are_refused(models: Path, tmp_path: Path, steps: tuple[int, ...]):
    checkpoints = [replace(find_checkpoints(models)[0], step=step) for step in steps]
    with pytest.raises(ModelError, match="need 2 or more checkpoints of different steps"):
        extract(models, tmp_path, checkpoints=checkpoints)


def test_a_dataset_without_images_is_refused(models: Path, tmp_path: Path):
    text_only = [make_samples()[row] for row in TEXT_ONLY_ROWS]
    with pytest.raises(DatasetError, match="none of the 2 samples has an image"):
        extract(models, tmp_path, samples=text_only)


def test_a_checkpoint_with_nan_weights_is_refused_by_name_before_any_work(tmp_path: Path):
    models = make_checkpoints(tmp_path / "models")
    vlm = load_vlm(models / "checkpoint-9", BaseModelSettings())
    vlm.model.get_decoder().layers[1].self_attn.q_proj.weight.data[0, 0] = torch.nan
    vlm.model.save_pretrained(models / "checkpoint-9")
    images = CountingImages()
    with pytest.raises(ModelError, match="checkpoint-9"):
        extract(models, tmp_path / "work", open_image=images)
    assert not images.opened


def test_a_finished_extraction_is_not_computed_again(undisturbed: Extracted, models: Path):
    before = shard_bytes(undisturbed)
    images = CountingImages()
    again = extract(models, undisturbed.shard_arrays[0][1].parent, open_image=images)
    assert not images.opened
    assert shard_bytes(again) == before


@pytest.mark.parametrize("change", ["samples", "checkpoints", "settings"])
def test_shards_made_from_other_inputs_are_not_reused(models: Path, tmp_path: Path, change: str):
    samples, checkpoints = make_samples(), find_checkpoints(models)
    changed = {
        "samples": [replace(samples[0], turns=samples[1].turns), *samples[1:]],
        "checkpoints": [replace(checkpoints[0], digest="another"), *checkpoints[1:]],
        "settings": SETTINGS.model_copy(update={"n_values": 2}),
    }
    extract(models, tmp_path)
    images = CountingImages()
    extract(models, tmp_path, open_image=images, **{change: changed[change]})
    assert len(images.opened) == 7


KILLED = """
import os, signal, sys
from pathlib import Path
from xmas_assets_tests.extraction.test_trajectories import extract

def kill_when_told(report):
    if report.done >= float(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

extract(Path(sys.argv[1]), Path(sys.argv[2]), progress=kill_when_told)
"""


def test_a_killed_extraction_run_again_ends_with_the_same_bytes(undisturbed: Extracted, models: Path, tmp_path: Path):
    arguments = [sys.executable, "-c", KILLED, str(models), str(tmp_path), "13.5"]
    run = subprocess.run(arguments, cwd=Path(__file__).parents[2], check=False)
    assert run.returncode == -signal.SIGKILL
    finished = sorted(path.name for path in tmp_path.glob("shard-*"))
    images = CountingImages()
    resumed = extract(models, tmp_path, open_image=images)
    assert 0 < len(finished) < len(list(tmp_path.glob("shard-*")))
    assert shard_bytes(resumed) == shard_bytes(undisturbed)


def test_progress_ends_with_all_rows_that_have_an_image(models: Path, tmp_path: Path):
    reports = []
    extract(models, tmp_path, progress=reports.append)
    done = [report.done for report in reports]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(N_SAMPLES - len(TEXT_ONLY_ROWS))
    assert reports[-1].total == N_SAMPLES - len(TEXT_ONLY_ROWS)
