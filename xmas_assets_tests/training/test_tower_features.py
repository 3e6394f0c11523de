import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.training import tower_features, trainer
from xmas_assets.training.run_directory import read_record
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.training.small import COLOURS, LORA, draw, make_samples, settings, stopping_at, train, weights

KINDS = {"full": None, "lora": LORA}
#: Images that a run of two epochs gives to the model.
N_SHOWN = 2 * sum(len(sample.images) for sample in make_samples())


def never(*_: Any) -> Any:
    raise AssertionError("an image was opened")


def towers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def changed(base: Path, directory: Path, change: Any) -> Path:
    """The base with another config or other weights."""
    vlm = load_vlm(base, BaseModelSettings())
    change(vlm.model)
    vlm.model.save_pretrained(directory)
    vlm.processor.save_pretrained(directory)
    return directory


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_kept_features_give_the_same_bytes_and_no_image_is_opened_again(base, tmp_path, kind, dtype):
    options: dict[str, Any] = {"settings": settings(lora=KINDS[kind])}
    plain = train(base, tmp_path / "plain", base_settings=BaseModelSettings(dtype=dtype), **options)
    options["feature_folder"] = tmp_path / "features"
    first = train(base, tmp_path / "first", base_settings=BaseModelSettings(dtype=dtype), **options)
    second = train(base, tmp_path / "second", base_settings=BaseModelSettings(dtype=dtype), open_image=never, **options)
    assert weights(first) == weights(second) == weights(plain)
    # A few batches are made ahead, before the features of those before are there.
    assert 0 < read_record(tmp_path / "first").n_features_read < N_SHOWN
    assert read_record(tmp_path / "second").n_features_read == N_SHOWN
    assert read_record(tmp_path / "plain").n_features_read == 0


def test_other_rows_seeds_and_ways_of_training_read_the_same_features(base, tmp_path):
    folder = tmp_path / "features"
    train(base, tmp_path / "first", feature_folder=folder)
    others = {"samples": make_samples()[5:], "seed": 9, "settings": settings(lora=LORA, micro_batch_size=4, epochs=1)}
    train(base, tmp_path / "second", feature_folder=folder, open_image=never, **others)
    assert len(towers(folder)) == 1


def test_another_language_model_and_connector_read_them_too_and_another_tower_does_not(base, tmp_path):
    def grow(part: Any) -> Any:
        return lambda model: [weight.data.mul_(1.5) for weight in part(model).parameters()]

    folder = tmp_path / "features"
    train(base, tmp_path / "first", feature_folder=folder)
    same_tower = changed(base, tmp_path / "same", grow(lambda model: model.model.multi_modal_projector))
    train(same_tower, tmp_path / "second", feature_folder=folder, open_image=never)
    other_tower = changed(base, tmp_path / "other", grow(lambda model: model.model.vision_tower))
    train(other_tower, tmp_path / "third", feature_folder=folder)
    assert read_record(tmp_path / "third").n_features_read < N_SHOWN
    assert len(towers(folder)) == 2


def test_another_layer_of_the_tower_is_kept_apart(base, tmp_path):
    folder = tmp_path / "features"
    train(base, tmp_path / "last", feature_folder=folder)
    other = changed(base, tmp_path / "other", lambda model: setattr(model.config, "vision_feature_layer", -2))
    train(other, tmp_path / "kept", feature_folder=folder)
    assert weights(train(other, tmp_path / "plain")) == weights(train(other, tmp_path / "kept"))
    assert len(towers(folder)) == 2


def test_another_size_of_images_is_kept_apart(base, tmp_path):
    folder = tmp_path / "features"
    train(base, tmp_path / "first", feature_folder=folder)
    other = changed(base, tmp_path / "other", lambda _: None)
    path = other / "processor_config.json"
    values = json.loads(path.read_text())
    values["image_processor"]["image_mean"] = [0.1, 0.2, 0.3]
    path.write_text(json.dumps(values))
    train(other, tmp_path / "second", feature_folder=folder)
    assert len(towers(folder)) == 2


def test_a_tower_with_dropout_runs_in_every_step(base, tmp_path, caplog):
    other = changed(
        base, tmp_path / "other", lambda model: setattr(model.config.vision_config, "attention_dropout", 0.5)
    )
    with caplog.at_level(logging.INFO, logger="xmas_assets"):
        kept = train(other, tmp_path / "kept", feature_folder=tmp_path / "features")
    assert "what it makes of an image depends on the batch" in caplog.text
    assert weights(kept) == weights(train(other, tmp_path / "plain"))
    assert not (tmp_path / "features").exists()


def test_a_run_that_is_broken_off_ends_with_the_same_bytes(base, tmp_path):
    folder = tmp_path / "features"
    for step in (1, 4, 7):
        with pytest.raises(KeyboardInterrupt):
            train(base, tmp_path / "kept", feature_folder=folder, progress=stopping_at(step))
    resumed = train(base, tmp_path / "kept", feature_folder=folder)
    assert weights(resumed) == weights(train(base, tmp_path / "plain"))


def test_damaged_features_are_computed_again_to_the_same_bytes(base, tmp_path, caplog):
    folder = tmp_path / "features"
    plain = train(base, tmp_path / "first", feature_folder=folder)
    (pack,) = towers(folder)[0].glob("*.safetensors")
    content = load_file(pack)
    content["features"][2] += 1
    save_file(content, pack)
    with caplog.at_level(logging.WARNING, logger="xmas_assets"):
        again = train(base, tmp_path / "second", feature_folder=folder)
    assert "are damaged" in caplog.text
    assert weights(again) == weights(plain)
    train(base, tmp_path / "third", feature_folder=folder, open_image=never)


def test_features_beyond_the_limit_are_computed_every_time_to_the_same_bytes(base, tmp_path):
    size = torch.empty(16, 96).nbytes
    few = BaseModelSettings(feature_cache_gb=3.5 * size / 1e9)
    plain = train(base, tmp_path / "plain")
    for name in ("first", "second"):
        assert weights(train(base, tmp_path / name, base_settings=few, feature_folder=tmp_path / "f")) == weights(plain)
    kept = sum(path.stat().st_size for path in (tmp_path / "f").rglob("*.safetensors"))
    assert size <= kept <= 3.5 * size
    assert 0 < read_record(tmp_path / "second").n_features_read < N_SHOWN
    assert len(COLOURS) > 3


def test_passes_whose_size_is_found_by_trial_are_tried_at_that_size(base, tmp_path, monkeypatch):
    sizes = []
    plain = tower_features._are_independent
    monkeypatch.setattr(tower_features, "_are_independent", lambda *given: sizes.append(given[-1]) or plain(*given))
    chosen = settings(micro_batch_size="auto", batch_size=8)
    monkeypatch.setattr(trainer, "find_micro_batch_size", lambda *_, **__: 2)
    kept = train(base, tmp_path / "kept", settings=chosen, feature_folder=tmp_path / "f")
    assert sizes == [2]
    assert weights(kept) == weights(train(base, tmp_path / "plain", settings=chosen))


def test_a_limit_of_zero_keeps_none(base, tmp_path):
    train(base, tmp_path / "run", base_settings=BaseModelSettings(feature_cache_gb=0), feature_folder=tmp_path / "f")
    assert not (tmp_path / "f").exists()
    assert read_record(tmp_path / "run").n_features_read == 0


def test_rows_without_images_train(base, tmp_path):
    texts = [sample for sample in make_samples() if not sample.images]
    kept = train(
        base, tmp_path / "kept", samples=texts, feature_folder=tmp_path / "f", settings=settings(n_checkpoints=1)
    )
    plain = train(base, tmp_path / "plain", samples=texts, settings=settings(n_checkpoints=1), open_image=draw)
    assert weights(kept) == weights(plain)
