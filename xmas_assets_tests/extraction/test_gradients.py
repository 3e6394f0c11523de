import resource
import shutil
import weakref
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from xmas_assets.contracts.errors import ModelError, StoreError
from xmas_assets.contracts.samples import Turn
from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings, WarmupSettings
from xmas_assets.contracts.signal_settings import GradientSettings
from xmas_assets.extraction import gradient_passes
from xmas_assets.extraction.gradients import Gradients, extract_gradients
from xmas_assets.extraction.sample_gradients import GradientReader
from xmas_assets.files import space
from xmas_assets.training.warmup import warm_up
from xmas_assets.vlm.probes import Kept
from xmas_assets_tests.extraction.worlds import CountingImages, draw, find_checkpoints, make_adapters, make_samples
from xmas_assets_tests.toy.untrained import build_untrained

SETTINGS = GradientSettings(n_projected=256, batch_size=4, shard_size=12)
SAMPLES = make_samples()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A base, and the two checkpoints of a warm-up on a few samples."""
    base = build_untrained(tmp_path_factory.mktemp("base"))
    checkpoints = warm_up(
        base=base,
        base_settings=BaseModelSettings(),
        samples=SAMPLES[:8],
        open_image=draw,
        settings=WarmupSettings(
            lora=LoraSettings(rank=2, alpha=4), epochs=2, batch_size=4, micro_batch_size=4, n_checkpoints=2
        ),
        output=tmp_path_factory.mktemp("run"),
    )
    return base, checkpoints


def extract(world, workspace: Path, **options):
    base, checkpoints = world
    defaults = {
        "samples": SAMPLES,
        "open_image": draw,
        "checkpoints": checkpoints,
        "base_settings": BaseModelSettings(),
        "settings": SETTINGS,
        "direction": "gradient",
    }
    return extract_gradients(base=base, workspace=workspace, **defaults | options)


def arrays(extracted) -> tuple[np.ndarray, np.ndarray]:
    """Norms and projected gradients of all rows."""
    blocks = [(norms, projected) for _, norms, projected in extracted.blocks()]
    return np.concatenate([norms for norms, _ in blocks]), np.concatenate([projected for _, projected in blocks])


@pytest.fixture(scope="module")
def plain(world, tmp_path_factory):
    return arrays(extract(world, tmp_path_factory.mktemp("plain")))


def assert_same(found, expected):
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-3, atol=1e-4 * np.abs(expected[1]).max())


def test_every_row_has_a_gradient_at_every_checkpoint(plain):
    norms, projected = plain
    assert (norms.shape, projected.shape) == ((30, 2), (30, 2, 256))
    assert (norms > 0).all()
    assert not np.allclose(projected[:, 0], projected[:, 1])


@pytest.mark.parametrize("changes", [{"batch_size": 1}, {"batch_size": 30, "shard_size": 30}])
def test_neither_batch_mates_nor_shards_change_a_gradient(world, plain, tmp_path, changes):
    assert_same(arrays(extract(world, tmp_path, settings=SETTINGS.model_copy(update=changes))), plain)


def test_the_order_of_the_rows_and_checkpoints_changes_nothing(world, plain, tmp_path):
    found = arrays(extract(world, tmp_path, samples=SAMPLES[::-1], checkpoints=world[1][::-1]))
    assert_same([values[::-1] for values in found], plain)


def test_the_last_gradient_is_that_of_the_last_checkpoint(world, plain, tmp_path):
    norms, projected = arrays(extract(world, tmp_path, direction="last_gradient"))
    assert_same((norms, projected), (plain[0][:, 1:], plain[1][:, 1:]))


def test_adams_direction_points_elsewhere_and_the_norm_stays_the_gradients(world, plain, tmp_path):
    norms, projected = arrays(extract(world, tmp_path, direction="adam"))
    np.testing.assert_array_equal(norms, plain[0])
    cosines = (projected * plain[1]).sum(-1) / np.linalg.norm(projected, axis=-1) / np.linalg.norm(plain[1], axis=-1)
    assert (cosines < 0.9).all()


def test_gradients_in_bfloat16_are_nearly_those_in_float32(world, plain, tmp_path):
    norms, projected = arrays(extract(world, tmp_path, base_settings=BaseModelSettings(dtype="bfloat16")))
    np.testing.assert_allclose(norms, plain[0], rtol=0.1)
    assert np.linalg.norm(projected - plain[1]) < 0.1 * np.linalg.norm(plain[1])


@pytest.mark.parametrize(("models_in_memory", "n_loads"), [(1, 2 + 1 + 1), (2, 2)])
def test_each_shard_loads_the_checkpoints_that_are_not_in_memory(
    world, plain, tmp_path, monkeypatch, models_in_memory, n_loads
):
    loaded, held = [], []
    plainly = gradient_passes.load_vlm

    def load(*words, **options):
        held.append(sum(reference() is not None for reference in loaded))
        vlm = plainly(*words, **options)
        loaded.append(weakref.ref(vlm.model))
        return vlm

    monkeypatch.setattr(gradient_passes, "load_vlm", load)
    extracted = extract(world, tmp_path, models_in_memory=models_in_memory)
    assert len(extracted.shard_arrays) == 3
    assert len(loaded) == n_loads
    assert max(held) < models_in_memory  # while another is loaded
    assert_same(arrays(extracted), plain)


def test_more_shards_than_a_process_may_have_files_open_can_be_read(tmp_path):
    values = np.arange(100 * 2 * 3, dtype=np.float32).reshape(100, 1, 2, 3)
    for number, rows in enumerate(values):
        np.save(tmp_path / f"{number}.npy", rows)
    parts = [(np.array([99 - number]), tmp_path / f"{number}.npy") for number in range(100)]
    gradients = Gradients([SAMPLES[0]] * 100, 2, 2, parts, ())
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 20, before[1]))
    try:
        norms, projected = arrays(gradients)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    np.testing.assert_array_equal(np.concatenate([norms[:, :, None], projected], axis=2), values[::-1, 0])


def test_each_image_is_opened_once_in_a_shard_of_those_that_share_it(world, tmp_path):
    images = CountingImages()
    extract(world, tmp_path, open_image=images, settings=SETTINGS.model_copy(update={"shard_size": 30}))
    assert images.opened == Counter({f"picture-{number}": 1 for number in range(7)})


def test_a_tower_that_cannot_run_apart_gives_the_same_and_it_is_said(world, plain, tmp_path, monkeypatch):
    n_tries = Counter()

    def features_only(*_) -> Kept:
        n_tries["tried"] += 1
        return "features"

    monkeypatch.setattr(gradient_passes, "kept_of_images", features_only)
    extracted = extract(world, tmp_path)
    assert n_tries["tried"] == 1  # for all of three shards
    assert_same(arrays(extracted), plain)
    assert extracted.notices == (
        "this model's vision tower is not separate, so images run through it at every checkpoint",
    )


def test_a_stopped_extraction_goes_on_and_ends_with_the_same_bytes(world, tmp_path):
    whole = extract(world, tmp_path / "whole")

    class StoppedError(Exception):
        pass

    def stop(report):
        if report.done > 20:
            raise StoppedError

    with pytest.raises(StoppedError):
        extract(world, tmp_path / "stopped", progress=stop)
    n_kept = len([path for path in (tmp_path / "stopped").glob("shard-*") if "unfinished" not in path.name])
    assert 0 < n_kept < len(whole.shard_arrays)
    seen = []
    resumed = extract(world, tmp_path / "stopped", progress=lambda report: seen.append(report.done))
    assert seen[0] > 0
    assert seen[-1] == len(SAMPLES)
    for (_, first), (_, second) in zip(whole.shard_arrays, resumed.shard_arrays, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_a_row_too_long_has_nan_and_is_named_in_the_notices(world, plain, tmp_path):
    long = SAMPLES[5].turns[0].text + " what" * 3000
    samples = [*SAMPLES]
    samples[5] = replace(SAMPLES[5], sample_id="too long", turns=(Turn("user", long), *SAMPLES[5].turns[1:]))
    extracted = extract(world, tmp_path, samples=samples)
    norms, projected = arrays(extracted)
    assert np.flatnonzero(np.isnan(norms).any(1)).tolist() == [5]
    assert np.isnan(projected[5]).all()
    assert_same([np.delete(values, 5, 0) for values in (norms, projected)], [np.delete(v, 5, 0) for v in plain])
    assert len(extracted.notices) == 1
    assert "1 samples have no gradient" in extracted.notices[0]
    assert "too long" in extracted.notices[0]


def test_gradients_that_the_disk_has_no_room_for_are_refused_before_a_picture_is_opened(world, tmp_path, monkeypatch):
    """A row has a norm and 256 dimensions at two checkpoints: 2056 bytes, once in shards and once in the table."""
    disk = SimpleNamespace(free=2 * 2056 * len(SAMPLES) - 1)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: disk)
    images = CountingImages()
    with pytest.raises(StoreError, match=rf"^the gradients of {len(SAMPLES)} rows take 0\.0 GB, and the disk of"):
        extract(world, tmp_path, open_image=images)
    assert not images.opened
    disk.free += 1
    extract(world, tmp_path)


def test_adapters_without_adams_state_are_refused_for_adams_direction(tmp_path):
    directory = make_adapters(tmp_path / "run")
    with pytest.raises(ModelError, match=r"lacks adam\.safetensors"):
        extract((directory / "base", find_checkpoints(directory)), tmp_path / "work", direction="adam")


def test_a_batch_that_memory_does_not_hold_is_read_in_halves(world, plain, tmp_path, monkeypatch, caplog):
    whole = GradientReader.read
    sizes = []

    def read(reader, inputs):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError
        return whole(reader, inputs)

    monkeypatch.setattr(GradientReader, "read", read)
    assert_same(arrays(extract(world, tmp_path)), plain)
    assert {4, 2} <= set(sizes)
    assert "did not hold 4 samples; reading them in halves" in caplog.text


def test_a_single_sample_that_memory_does_not_hold_is_named(world, tmp_path, monkeypatch):
    def read(reader, inputs):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(GradientReader, "read", read)
    with pytest.raises(ModelError, match=r"does not hold sample 'sample-\d+' of \d+ tokens; lower base_model"):
        extract(world, tmp_path)


def test_gradients_that_are_not_finite_are_refused_with_their_samples(world, tmp_path):
    """Adapter weights of 1e18 are finite, and so is their product; what the model makes of it is not."""
    base, (checkpoint, _) = world
    broken = shutil.copytree(checkpoint.path, tmp_path / "checkpoint-1")
    weights = load_file(broken / "adapter_model.safetensors")
    save_file({name: torch.full_like(w, 1e18) for name, w in weights.items()}, broken / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"the gradients of \['sample-.*are not finite; lower warmup.learning_rate"):
        extract((base, [replace(checkpoint, path=broken)]), tmp_path / "work")
