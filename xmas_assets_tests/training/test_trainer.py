import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.models.llama.modeling_llama import LlamaMLP

from xmas_assets.contracts.errors import DeviceError, ModelError, SettingsError
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Turn
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.training.run_directory import read_record
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.training import small
from xmas_assets_tests.training.small import (
    LORA,
    N_SAMPLES,
    kill_at,
    make_samples,
    settings,
    stopping_at,
    train,
    weights,
)

KINDS = {"full": None, "lora": LORA}


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def undisturbed(base, kind, tmp_path_factory):
    output = tmp_path_factory.mktemp(f"undisturbed {kind}")
    return output, train(base, output, settings=settings(lora=KINDS[kind]))


def test_checkpoints_are_evenly_spaced_and_the_last_is_at_the_end(undisturbed):
    output, checkpoints = undisturbed
    assert [checkpoint.step for checkpoint in checkpoints] == [4, 8, 12]
    assert sorted(path.name for path in output.iterdir()) == [
        "checkpoint-12",
        "checkpoint-4",
        "checkpoint-8",
        "done.json",
        "run.json",
    ]


def test_a_killed_run_ends_with_the_bytes_of_an_undisturbed_one(base, kind, undisturbed, tmp_path):
    kill_at(11, small.__name__, kind, base, tmp_path / "run")
    assert not (tmp_path / "run" / "done.json").exists()
    done = []
    resumed = train(
        base,
        tmp_path / "run",
        settings=settings(lora=KINDS[kind]),
        progress=lambda progress: done.append(progress.done),
    )
    assert weights(resumed) == weights(undisturbed[1])
    assert done == [10, 11, 12]
    same = {"cpu_seconds": 0.0, "wall_seconds": 0.0, "peak_memory_bytes": 0}
    first, second = read_record(undisturbed[0]), read_record(tmp_path / "run")
    assert replace(first, **same) == replace(second, **same)
    assert not (tmp_path / "run" / "state").exists()


def test_a_finished_run_is_returned_without_training(base, kind, undisturbed):
    output, checkpoints = undisturbed

    def never(*_):
        raise AssertionError("it trained again")

    again = train(base, output, settings=settings(lora=KINDS[kind], resume_steps=7), open_image=never, progress=never)
    assert again == checkpoints


def test_row_order_does_not_matter_and_the_seed_does(base, kind, undisturbed, tmp_path):
    options = {"settings": settings(lora=KINDS[kind])}
    turned = train(base, tmp_path / "turned", samples=make_samples()[::-1], **options)
    assert weights(turned) == weights(undisturbed[1])
    other = train(base, tmp_path / "other seed", seed=6, **options)
    assert weights(other) != weights(undisturbed[1])


def test_only_connector_and_language_model_move(base, undisturbed):
    before = load_vlm(base, BaseModelSettings()).model.state_dict()
    after = load_vlm(undisturbed[1][-1].path, BaseModelSettings(), base=base).model.state_dict()
    assert set(before) == set(after)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any("vision_tower" in name for name in moved)
    assert {name for name in before if "multi_modal_projector" in name} <= moved
    assert {name for name in before if "q_proj" in name and "language_model" in name} <= moved


def test_no_path_of_this_machine_is_saved(base, undisturbed):
    for path in undisturbed[0].rglob("*"):
        if path.is_file():
            assert str(base).encode() not in path.read_bytes(), path.name


def test_the_record_tells_what_the_run_was_and_cost(undisturbed):
    output, checkpoints = undisturbed
    record = read_record(output)
    assert (record.n_steps, record.n_samples, record.n_samples_seen) == (12, N_SAMPLES, 2 * N_SAMPLES)
    assert record.checkpoints == tuple((checkpoint.step, checkpoint.digest) for checkpoint in checkpoints)
    assert record.cpu_seconds > 0
    assert record.wall_seconds > 0
    # Python with torch takes more than 100 MiB, the tiny model next to nothing.
    assert 100 << 20 < record.peak_memory_bytes < 16 << 30
    # An untrained model spreads its guess over 921 tokens: log(921) = 6.8 nats.
    assert 0.5 < record.mean_loss < 6.9


def test_an_adapter_is_refused_on_another_base(base, tmp_path):
    (checkpoint,) = train(base, tmp_path / "run", settings=settings(lora=LORA, epochs=0.2, n_checkpoints=1))
    other = tmp_path / "other"
    load_vlm(base, BaseModelSettings()).model.save_pretrained(other)
    with pytest.raises(ModelError, match="was trained on base"):
        load_vlm(checkpoint.path, BaseModelSettings(), base=other)


def test_a_changed_setting_is_refused_in_the_output_of_another_run(base, tmp_path):
    train(base, tmp_path, settings=settings(epochs=0.2, n_checkpoints=1))
    with pytest.raises(ModelError, match="holds a run on other rows, base or settings"):
        train(base, tmp_path, settings=settings(epochs=0.2, n_checkpoints=1, learning_rate=0.5))


def test_one_row_trains(base, tmp_path):
    (checkpoint,) = train(base, tmp_path, samples=make_samples()[:1], settings=settings(epochs=1, n_checkpoints=1))
    assert checkpoint.step == 1


def test_a_last_batch_of_one_trains(base, tmp_path):
    (checkpoint,) = train(base, tmp_path, samples=make_samples()[:5], settings=settings(epochs=1, n_checkpoints=1))
    assert checkpoint.step == 2


def test_micro_batches_add_up_to_the_batch(base, tmp_path):
    options = {"epochs": 0.5, "n_checkpoints": 1}
    whole = train(base, tmp_path / "whole", settings=settings(micro_batch_size=4, **options))
    single = train(base, tmp_path / "single", settings=settings(micro_batch_size=1, **options))
    first, second = (load_file(run[-1].path / "model.safetensors") for run in (whole, single))
    # Adam divides by the gradient's size, so rounding shows most where gradients are near zero.
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 2e-4


def test_a_batch_that_is_no_multiple_of_the_micro_batch_is_refused(base, tmp_path):
    with pytest.raises(SettingsError, match="batch_size 4 is no multiple of micro_batch_size 3"):
        train(base, tmp_path, settings=settings(micro_batch_size=3))


def test_more_checkpoints_than_steps_are_refused(base, tmp_path):
    with pytest.raises(ModelError, match="12 training steps cannot give 13 checkpoints"):
        train(base, tmp_path, settings=settings(n_checkpoints=13))


def test_samples_too_long_are_left_out_and_listed(base, tmp_path):
    samples = make_samples()
    long = replace(samples[3], turns=(Turn("user", "very " * 100), samples[3].turns[1]))
    train(
        base,
        tmp_path,
        samples=[*samples[:3], long],
        settings=settings(epochs=1, n_checkpoints=1),
        base_settings=BaseModelSettings(max_tokens=64),
    )
    assert read_record(tmp_path).left_out == {"sample-003": "too_long"}


def test_a_run_with_nothing_to_learn_is_refused(base, tmp_path):
    with_pictures = [sample for sample in make_samples() if sample.images]
    with pytest.raises(ModelError, match="none of 17 samples can be learned from"):
        train(base, tmp_path, samples=with_pictures, base_settings=BaseModelSettings(max_tokens=16))


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(base, tmp_path):
    broken = tmp_path / "broken"
    vlm = load_vlm(base, BaseModelSettings())
    vlm.model.save_pretrained(broken)
    vlm.processor.save_pretrained(broken)
    weights_file = broken / "model.safetensors"
    values = load_file(weights_file)
    name = next(key for key in values if key.endswith("layers.0.input_layernorm.weight"))
    values[name] = torch.full_like(values[name], 3e38)
    save_file(values, weights_file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"the loss is nan at step 1;"):
        train(broken, tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoint-*"))


def test_bfloat16_trains_and_saves_bfloat16(base, tmp_path):
    chosen = BaseModelSettings(dtype="bfloat16")
    (checkpoint,) = train(base, tmp_path, base_settings=chosen, settings=settings(epochs=0.4, n_checkpoints=1))
    assert {str(value.dtype) for value in load_file(checkpoint.path / "model.safetensors").values()} == {
        "torch.bfloat16"
    }
    load_vlm(checkpoint.path, chosen)


def stop_at(base: Path, output: Path, step: int, **options) -> None:
    """Train in this process and break off after ``step`` steps."""
    with pytest.raises(KeyboardInterrupt):
        train(base, output, progress=stopping_at(step), **options)


def test_a_run_stopped_again_and_again_ends_with_the_same_bytes(base, kind, undisturbed, tmp_path):
    for step in (1, 4, 6, 7, 12):
        stop_at(base, tmp_path, step, settings=settings(lora=KINDS[kind]))
    assert weights(train(base, tmp_path, settings=settings(lora=KINDS[kind]))) == weights(undisturbed[1])


def break_device(monkeypatch: pytest.MonkeyPatch, error: Exception, *, after: int) -> ProgressCallback:
    """Let every forward pass after so many steps raise an error; gives the callback that counts the steps."""
    plain, n_done = LlamaMLP.forward, 0

    def forward(block: LlamaMLP, states: torch.Tensor) -> torch.Tensor:
        if n_done >= after:
            raise error
        return plain(block, states)

    def count(progress: Progress) -> None:
        nonlocal n_done
        n_done = progress.done

    monkeypatch.setattr(LlamaMLP, "forward", forward)
    return count


def test_a_run_whose_device_failed_goes_on_from_its_last_state_to_the_same_bytes(
    base, kind, undisturbed, tmp_path, monkeypatch
):
    lost = torch.AcceleratorError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA")
    options = {"settings": settings(lora=KINDS[kind])}
    with pytest.raises(DeviceError, match=r"^the device failed \(CUDA error: unspecified launch failure\); run again"):
        train(base, tmp_path, progress=break_device(monkeypatch, lost, after=7), **options)
    monkeypatch.undo()
    done = []
    resumed = train(base, tmp_path, progress=lambda progress: done.append(progress.done), **options)
    assert done[0] == 7
    assert weights(resumed) == weights(undisturbed[1])


def test_a_micro_batch_that_memory_does_not_hold_is_refused_with_the_setting_to_lower(base, tmp_path, monkeypatch):
    full = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    with pytest.raises(ModelError, match=r"does not hold this work \(CUDA out of memory.*lower .*micro_batch_size"):
        train(base, tmp_path, progress=break_device(monkeypatch, full, after=0))


def test_a_half_written_checkpoint_and_state_are_made_again_with_a_notice(base, undisturbed, kind, tmp_path, caplog):
    stop_at(base, tmp_path, 7, settings=settings(lora=KINDS[kind]))
    (tmp_path / ".checkpoint-8.0123.unfinished").mkdir()
    (tmp_path / ".checkpoint-8.0123.unfinished" / "config.json").write_text("{")
    (tmp_path / "state" / "checkpoint-6" / "committed.json").unlink()
    with caplog.at_level(logging.WARNING, logger="xmas_assets"):
        resumed = train(base, tmp_path, settings=settings(lora=KINDS[kind]))
    assert weights(resumed) == weights(undisturbed[1])
    assert [re.split(" (was|is) ", message)[0] for message in caplog.messages if "not finished" in message] == [
        ".checkpoint-8.0123.unfinished",
        "training state checkpoint-6",
    ]


def test_training_on_the_answers_lowers_their_loss(base, tmp_path):
    train(base, tmp_path / "one", settings=settings(epochs=1, n_checkpoints=1))
    train(base, tmp_path / "ten", settings=settings(epochs=10, n_checkpoints=1, batch_size=8, micro_batch_size=8))
    assert read_record(tmp_path / "ten").mean_loss < 0.7 * read_record(tmp_path / "one").mean_loss


def test_steps_stand_in_for_epochs_however_many_rows_there_are(base, tmp_path):
    fixed = settings(n_steps=5, n_checkpoints=1, batch_size=4, micro_batch_size=4)
    for n_rows in (4, 12):
        train(base, tmp_path / f"{n_rows}", settings=fixed, samples=make_samples()[:n_rows])
        record = read_record(tmp_path / f"{n_rows}")
        assert (record.n_steps, record.n_samples, record.n_samples_seen) == (5, n_rows, 20)


def test_the_record_is_plain_json(undisturbed):
    assert json.loads((undisturbed[0] / "done.json").read_text())["n_steps"] == 12


def test_a_gradient_norm_of_0_clips_nothing(base, tmp_path):
    ends = [
        weights(train(base, tmp_path / str(norm), settings=settings(max_grad_norm=norm))) for norm in (0, 1e12, 1e-3)
    ]
    assert ends[0] == ends[1]
    assert ends[0] != ends[2]
