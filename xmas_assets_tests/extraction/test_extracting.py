import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace as Namespace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from transformers.models.llama.modeling_llama import LlamaMLP

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import DatasetError, ModelError, StoreError
from xmas_assets.contracts.samples import Turn
from xmas_assets.contracts.settings import BaseModelSettings, Settings
from xmas_assets.contracts.signal_settings import AttentionMapSettings, TrajectorySettings
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.extraction import passes
from xmas_assets.extraction.attention_maps import AttentionMaps
from xmas_assets.extraction.base import Signal
from xmas_assets.extraction.extracted import Extracted
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.extraction.trajectories import AttentionSpectra
from xmas_assets.files import space
from xmas_assets.vlm.capture import Captured, CaptureSpec
from xmas_assets.vlm.probes import Kept
from xmas_assets_tests.extraction.worlds import (
    N_SAMPLES,
    TEXT_ONLY_ROWS,
    CountingImages,
    draw,
    find_checkpoints,
    make_adapters,
    make_checkpoints,
    make_samples,
    values_of,
)
from xmas_assets_tests.families import FAMILIES
from xmas_assets_tests.families.building import write_json

SETTINGS = TrajectorySettings(batch_size=6, shard_size=12)


@dataclass(frozen=True)
class TokenCounts:
    """A made-up signal whose values are known: tokens in all, and those of images with their negative."""

    name: ClassVar[str] = "token_counts"
    every_checkpoint: ClassVar[bool] = False
    needs_image: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        return CaptureSpec(hidden_states=(0,))

    def columns(self, language_config: Any) -> Mapping[str, tuple[int, ...]]:
        return {"all": (), "of_images": (2, 1)}

    def read(self, captured: Captured) -> Mapping[str, NDArray[np.float32]]:
        n_images = captured.is_image.sum(1).float()[:, None, None].numpy()
        pair = np.concatenate([n_images, -n_images], axis=1)
        return {"all": captured.is_real.sum(1).float().numpy(), "of_images": pair}


class RepeatedCounts(TokenCounts):
    every_checkpoint: ClassVar[bool] = True


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoints(tmp_path_factory.mktemp("models"))


def extract(models: Path, workspace: Path, signals: Sequence[Signal], **changes: Any) -> dict[str, Extracted]:
    arguments = {
        "signals": signals,
        "samples": make_samples(),
        "open_image": draw,
        "checkpoints": find_checkpoints(models),
        "base": None,
        "base_settings": BaseModelSettings(),
        "settings": SETTINGS,
        "workspaces": {signal.name: workspace / signal.name for signal in signals},
    }
    return extract_signals(**(arguments | changes))


def table_of(extracted: Extracted) -> pa.Table:
    return pa.Table.from_batches(extracted.batches(), schema=extracted.schema)


def bytes_of(extracted: Extracted) -> list[bytes]:
    return [path.read_bytes() for _, path in extracted.shard_arrays]


@pytest.fixture(scope="module")
def everything(models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Extracted]:
    """All signals there are, in one pass."""
    return extract(models, tmp_path_factory.mktemp("everything"), make_signals(READ_IN_ONE_PASS, Settings()))


@pytest.mark.parametrize("names", [["attention_trajectories"], ["answer_scores"], ["attention_maps", "features"]])
def test_a_signals_bytes_do_not_depend_on_which_others_are_read(
    everything: dict[str, Extracted], models: Path, tmp_path: Path, names: list[str]
):
    alone = extract(models, tmp_path, make_signals(names, Settings()))
    assert list(alone) == names
    for name in names:
        assert bytes_of(alone[name]) == bytes_of(everything[name])


def test_signals_of_both_definitions_can_be_read_together(models: Path, tmp_path: Path):
    reference = AttentionSpectra("reference", 3)
    others = make_signals(["attention_maps"], Settings())
    together = extract(models, tmp_path / "together", [reference, *others])
    for signal in (reference, *others):
        alone = extract(models, tmp_path / signal.name, [signal])[signal.name]
        assert bytes_of(alone) == bytes_of(together[signal.name])


def test_rows_with_an_image_have_all_values_and_text_only_rows_those_that_need_none(everything: dict[str, Extracted]):
    for signal in make_signals(READ_IN_ONE_PASS, Settings()):
        for values in values_of(everything[signal.name]).values():
            is_missing = np.isnan(values.reshape(N_SAMPLES, -1)).all(1)
            expected = list(TEXT_ONLY_ROWS) if signal.needs_image else []
            assert np.flatnonzero(is_missing).tolist() == expected, signal.name


def test_each_image_is_opened_once_for_all_signals_and_checkpoints(models: Path, tmp_path: Path):
    images = CountingImages()
    samples = [sample for sample in make_samples() if len(sample.images) == 1]
    extract(models, tmp_path, make_signals(READ_IN_ONE_PASS, Settings()), samples=samples, open_image=images)
    assert images.opened == {f"picture-{number}": 1 for number in range(7)}


def test_tables_hold_rows_ids_numbers_and_flat_lists_in_dataset_order(models: Path, tmp_path: Path):
    extracted = extract(models, tmp_path, [TokenCounts()])["token_counts"]
    table = table_of(extracted)
    assert [f"{field.name}: {field.type}" for field in table.schema] == [
        "row: int64",
        "sample_id: string",
        "all: float",
        "of_images: fixed_size_list<item: float>[2]",
    ]
    assert extracted.shapes == {"all": (), "of_images": (2, 1)}
    assert extracted.steps == (10,)
    assert table["row"].to_pylist() == list(range(N_SAMPLES))
    assert table["sample_id"].to_pylist() == [sample.sample_id for sample in make_samples()]
    n_images = [16.0 * len(sample.images) for sample in make_samples()]
    assert table["of_images"].to_pylist() == [[count, -count] for count in n_images]
    assert (np.array(table["all"]) > n_images).all()


@pytest.mark.parametrize("definition", ["causal", "reference"])
def test_adapters_in_bfloat16_give_nearly_what_they_give_in_float32(tmp_path: Path, definition: Any):
    models = make_adapters(tmp_path / "models")
    found = []
    for dtype in ("float32", "bfloat16"):
        extracted = extract(
            models,
            tmp_path / dtype,
            [AttentionSpectra(definition, 3)],
            base=models / "base",
            base_settings=BaseModelSettings(dtype=dtype),
        )["attention_trajectories"]
        found.append(np.nan_to_num(values_of(extracted)["values"]))
    exact, rounded = found
    assert np.linalg.norm(rounded - exact) < 0.05 * np.linalg.norm(exact)
    assert not np.allclose(rounded[:, 0], rounded[:, 1])


def test_a_signal_of_every_checkpoint_has_a_leading_axis_for_them(models: Path, tmp_path: Path):
    extracted = extract(models, tmp_path, [RepeatedCounts()])["token_counts"]
    assert extracted.shapes == {"all": (3,), "of_images": (3, 2, 1)}
    assert extracted.steps == (2, 9, 10)
    once = extract(models, tmp_path / "once", [TokenCounts()])["token_counts"]
    np.testing.assert_array_equal(values_of(extracted)["all"], values_of(once)["all"][:, None].repeat(3, axis=1))


def test_signals_of_the_last_checkpoint_load_no_other(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from xmas_assets.extraction import extracting

    loaded = []
    plain = extracting.load_vlm
    monkeypatch.setattr(
        extracting, "load_vlm", lambda path, *rest, **options: loaded.append(path.name) or plain(path, *rest, **options)
    )
    extract(models, tmp_path, [TokenCounts()])
    assert loaded == ["checkpoint-10"]


def test_checkpoints_that_stay_in_memory_are_loaded_once_and_give_the_same_bytes(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from xmas_assets.extraction import extracting

    loaded, held = [], []
    plain = extracting.load_vlm

    def load(*words: Any, **options: Any) -> Any:
        held.append(sum(reference() is not None for reference in loaded))
        vlm = plain(*words, **options)
        loaded.append(weakref.ref(vlm.model))
        return vlm

    monkeypatch.setattr(extracting, "load_vlm", load)
    tables = []
    for models_in_memory in (1, 3):
        found = extract(models, tmp_path / str(models_in_memory), [RepeatedCounts()], models_in_memory=models_in_memory)
        n_shards = len(found["token_counts"].shard_arrays)
        assert n_shards > 1
        assert len(loaded) == (3 + 2 * n_shards if models_in_memory == 1 else 3)
        assert max(held) < models_in_memory  # while another is loaded
        tables.append(table_of(found["token_counts"]))
        loaded.clear()
        held.clear()
    assert tables[0].equals(tables[1])


def test_shards_made_for_other_signals_are_not_reused(models: Path, tmp_path: Path):
    extract(models, tmp_path, [AttentionSpectra("causal", 3)])
    images = CountingImages()
    other = extract(models, tmp_path, [AttentionSpectra("causal", 2)], open_image=images)
    assert len(images.opened) == 7
    assert other["attention_trajectories"].shapes == {"values": (3, 2)}


def test_what_a_pass_has_read_is_found_by_a_later_one_for_some_of_its_signals_or_with_others(
    models: Path, tmp_path: Path
):
    """As after a kill between two of its tables: the other one alone is asked for. Then with a signal that is new."""
    maps, counts = make_signals(["attention_maps"], Settings())[0], TokenCounts()
    both = extract(models, tmp_path, [maps, counts])
    before = {signal.name: bytes_of(both[signal.name]) for signal in (maps, counts)}
    unopened = CountingImages()
    assert bytes_of(extract(models, tmp_path, [counts], open_image=unopened)["token_counts"]) == before["token_counts"]
    (tmp_path / "attention_maps" / "shard-00000001").unlink()
    again = extract(models, tmp_path, [maps, counts], open_image=unopened)
    assert 0 < sum(unopened.opened.values()) < 7
    assert {name: bytes_of(extracted) for name, extracted in again.items()} == before


def test_signals_that_the_disk_has_no_room_for_are_refused_before_a_picture_is_opened(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A row of counts has 3 numbers, with the mark that it was read 4: 16 bytes, once in shards, once in the table."""
    disk = Namespace(free=2 * 16 * N_SAMPLES - 1)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: disk)
    images = CountingImages()
    wanted = r"^token_counts of 30 rows take 0\.0 GB, and the disk of .*token_counts has 0\.0 GB free; free some space"
    with pytest.raises(StoreError, match=wanted):
        extract(models, tmp_path, [TokenCounts()], open_image=images)
    assert not images.opened
    disk.free += 1
    extract(models, tmp_path, [TokenCounts()])
    disk.free -= 16 * N_SAMPLES  # what is in the shards already is not needed again
    extract(models, tmp_path, [TokenCounts()])


def test_a_sample_too_long_to_be_read_has_no_value_and_is_noticed(models: Path, tmp_path: Path):
    samples = make_samples()
    samples[4] = replace(samples[4], turns=(Turn("user", "word " * 300), Turn("assistant", "yes")))
    settings = BaseModelSettings(max_tokens=200)
    extracted = extract(models, tmp_path, [TokenCounts()], samples=samples, base_settings=settings)["token_counts"]
    assert np.flatnonzero(np.isnan(values_of(extracted)["all"])).tolist() == [4]
    assert extracted.notices[0].startswith("1 samples have no signals: with 200 tokens")
    assert "sample-4" in extracted.notices[0]


def test_images_whose_tokens_form_no_known_grid_have_maps_and_a_notice(models: Path, tmp_path: Path):
    """LLaVA may keep the tower's first feature, which is of no place: 4 x 4 and one tokens."""
    directory = FAMILIES["llava"](tmp_path / "model")
    for file in ("config.json", "processor_config.json"):
        write_json(directory / file, {"vision_feature_select_strategy": "full"})
    checkpoints = [Checkpoint(step, directory, digest=str(step)) for step in (1, 2)]
    maps = AttentionMaps(AttentionMapSettings(grid_side=3))
    found = extract(models, tmp_path, [maps, TokenCounts()], checkpoints=checkpoints)
    values = values_of(found["attention_maps"])["values"]
    assert values.shape == (N_SAMPLES, 2, 9)
    assert np.flatnonzero(np.isnan(values).any((1, 2))).tolist() == list(TEXT_ONLY_ROWS)
    assert [notice for notice in found["attention_maps"].notices if "the 17 tokens of an image" in notice]
    others = [extract(models, tmp_path / "square", [maps]), extract(models, tmp_path / "counts", [TokenCounts()])]
    assert not [notice for each in others for extracted in each.values() for notice in extracted.notices]


def test_text_alone_is_enough_for_signals_that_need_no_image(models: Path, tmp_path: Path):
    samples = [make_samples()[row] for row in TEXT_ONLY_ROWS]
    extracted = extract(models, tmp_path, [TokenCounts()], samples=samples)["token_counts"]
    assert (values_of(extracted)["all"] > 0).all()
    with pytest.raises(DatasetError, match="none of the 2 samples has an image; attention_trajectories need some"):
        extract(models, tmp_path, [TokenCounts(), AttentionSpectra("causal", 3)], samples=samples)


def test_no_checkpoint_is_refused(models: Path, tmp_path: Path):
    with pytest.raises(ModelError, match="token_counts need a checkpoint, got none"):
        extract(models, tmp_path, [TokenCounts()], checkpoints=[])


def test_a_batch_that_memory_does_not_hold_is_read_in_halves_with_the_same_values(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = extract(models, tmp_path / "whole", [AttentionSpectra("causal", 3)])["attention_trajectories"]
    plain, sizes = passes.capture, []

    def small_card(vlm: Any, rows: Sequence[Any], *rest: Any, **options: Any) -> Captured:
        sizes.append(len(rows))
        if len(rows) > 2:
            raise torch.OutOfMemoryError("made up")
        return plain(vlm, rows, *rest, **options)

    monkeypatch.setattr(passes, "capture", small_card)
    found = extract(models, tmp_path / "halves", [AttentionSpectra("causal", 3)])["attention_trajectories"]
    assert max(sizes) == 6
    np.testing.assert_allclose(values_of(found)["values"], values_of(expected)["values"], rtol=1e-5)
    assert [notice for notice in found.notices if "memory did not hold a batch" in notice]


def test_what_a_failed_pass_held_is_free_when_its_rows_are_read_again(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The error comes out of the middle of a real pass, which leaves the model as it was: the values are the same."""
    signals = make_signals(["attention_trajectories", "block_activations", "answer_scores"], Settings())
    expected = extract(models, tmp_path / "whole", signals)
    plain, held, n_failed = LlamaMLP.forward, [], 0

    def small_card(block: LlamaMLP, states: torch.Tensor) -> torch.Tensor:
        nonlocal n_failed
        assert not [state for state in held if state() is not None]
        if states.shape[1] > 100:
            held.append(weakref.ref(states))
            n_failed += 1
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return plain(block, states)

    monkeypatch.setattr(LlamaMLP, "forward", small_card)
    found = extract(models, tmp_path / "halves", signals)
    assert n_failed > 1
    for signal in signals:
        for name, values in values_of(found[signal.name]).items():
            np.testing.assert_allclose(values, values_of(expected[signal.name])[name], rtol=1e-4, atol=1e-6)


def test_a_row_that_memory_does_not_hold_is_refused_by_name(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_card(*_: Any, **__: Any) -> Captured:
        raise torch.OutOfMemoryError("made up")

    monkeypatch.setattr(passes, "capture", no_card)
    with pytest.raises(ModelError, match=r"memory does not hold sample 'sample-\d+' of \d+ tokens"):
        extract(models, tmp_path, [AttentionSpectra("causal", 3)])


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("kept", ["tower", "features", "nothing"])
def test_models_that_share_less_give_the_same_and_say_so(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_packed: bool,
    kept: Kept,
):
    expected = extract(models, tmp_path / "plain", [AttentionSpectra("causal", 3)])["attention_trajectories"]
    whole = passes._look_at

    def look(vlm: Any) -> Any:
        return whole(vlm)._replace(can_pack=is_packed, kept=kept)

    monkeypatch.setattr(passes, "_look_at", look)
    found = extract(models, tmp_path / "other", [AttentionSpectra("causal", 3)])["attention_trajectories"]
    np.testing.assert_allclose(values_of(found)["values"], values_of(expected)["values"], rtol=1e-4)
    assert any("each runs whole" in notice for notice in found.notices) == (not is_packed)
    notices = " ".join(found.notices)
    assert ("vision tower is not separate" in notices) == (kept == "features")
    assert ("takes no features" in notices) == (kept == "nothing")
