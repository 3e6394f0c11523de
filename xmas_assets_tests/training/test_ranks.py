"""Trainings on several processes, which are real: started, killed, and looked for."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from xmas_assets.contracts.errors import ModelError, SettingsError
from xmas_assets.contracts.progress import Progress
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, DifficultySettings
from xmas_assets.contracts.workers import Ranks
from xmas_assets.training.run_directory import read_record
from xmas_assets.training.score_net import score_difficulty
from xmas_assets_tests.training.small import LORA, ROOT, draw, make_samples, ranks_below, settings, train, weights

TWO = Ranks(2)
SHORT = {"epochs": 1.0, "n_checkpoints": 2}  # six steps, the last with rows for one process only


def weighted_samples() -> list[Sample]:
    """The first row's answers count by weights that add up differently in another order."""
    first, *others = make_samples()
    return [replace(first, loss_weights=(0.3, 0.7)), *others]


def test_two_processes_give_the_bytes_losses_and_progress_of_one(base, tmp_path):
    seen: dict[int, list[Progress]] = {1: [], 2: []}
    found = {
        n: train(
            base,
            tmp_path / str(n),
            samples=weighted_samples(),
            settings=settings(**SHORT),
            ranks=Ranks(n),
            progress=seen[n].append,
        )
        for n in seen
    }
    assert weights(found[2]) == weights(found[1])
    assert seen[2] == seen[1]
    one, two = (read_record(tmp_path / str(n)) for n in seen)
    assert (two.losses, two.n_samples_seen, two.n_steps) == (one.losses, 22, 6)
    assert two.run != one.run
    assert {path.name for path in (tmp_path / "2").iterdir()} == {path.name for path in (tmp_path / "1").iterdir()}


@pytest.mark.parametrize(
    ("n", "micro_batch_size", "message"),
    [
        (3, 2, "batch_size 4 cannot be divided among 3 processes (workers.training_ranks); make it a multiple of 3"),
        (
            2,
            "auto",
            "micro_batch_size is 'auto', which only one process can find, and workers.training_ranks is 2; "
            "set a number",
        ),
    ],
)
def test_a_batch_that_cannot_be_divided_is_refused_before_anything_is_done(
    base, tmp_path, n, micro_batch_size, message
):
    with pytest.raises(SettingsError) as refusal:
        train(base, tmp_path / "run", settings=settings(micro_batch_size=micro_batch_size), ranks=Ranks(n))
    assert str(refusal.value) == message
    assert not (tmp_path / "run").exists()


def test_a_pass_over_fewer_rows_than_scores_depend_on_is_refused(base, tmp_path):
    with pytest.raises(SettingsError) as refusal:
        score_difficulty(
            base=base,
            base_settings=BaseModelSettings(),
            samples=[],
            open_image=draw,
            features=np.zeros((0, 2), dtype=np.float32),
            settings=DifficultySettings(batch_size=8, micro_batch_size=8),
            output=tmp_path,
            ranks=TWO,
        )
    assert str(refusal.value) == (
        "difficulty.batch_size 8 has fewer rows than 2 processes (workers.training_ranks) take in a pass of "
        "difficulty.micro_batch_size 8, on which scores depend; make it a multiple of both"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_more_processes_than_gpus_are_refused(base, tmp_path):
    with pytest.raises(ModelError, match="workers.training_ranks is 2, but torch sees 0 GPUs, of which each process "):
        train(base, tmp_path, base_settings=BaseModelSettings(device="cuda"), ranks=TWO)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("sharding", "lora", "number"),
    [("ddp", None, 0), ("ddp", None, 1), ("fsdp", None, 0), ("fsdp", None, 1), ("ddp", LORA, 1)],
    ids=["first", "second", "first of fsdp", "second of fsdp", "with dropout"],
)
def test_a_killed_process_fails_the_run_at_once_and_the_next_goes_on_to_the_same_bytes(
    base, tmp_path, sharding, lora, number
):
    ranks, chosen = Ranks(2, sharding), settings(lora=lora)
    killed_at: list[float] = []

    def kill(progress: Progress) -> None:
        if progress.done == 8:  # a state was saved at step 6
            ranks_below(tmp_path)[number].kill()
            killed_at.append(time.monotonic())

    with pytest.raises(ModelError, match="ended with code -9 while training.*run again"):
        train(base, tmp_path / "killed", settings=chosen, ranks=ranks, progress=kill)
    print(f"failed after {time.monotonic() - killed_at[0]:.1f} s")
    assert time.monotonic() - killed_at[0] < 30
    assert ranks_below(tmp_path) == []
    steps: list[float] = []
    again = train(
        base,
        tmp_path / "killed",
        settings=chosen,
        ranks=ranks,
        progress=lambda progress: steps.append(progress.done),
    )
    assert steps in ([7, 8, 9, 10, 11, 12], [10, 11, 12])  # from a state of step 6, or of 9 if the kill took a while
    # Two processes with DDP are one, above.
    is_as_one = sharding == "ddp" and lora is None
    unbroken = train(base, tmp_path / "unbroken", settings=chosen, ranks=Ranks() if is_as_one else ranks)
    assert weights(again) == weights(unbroken)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_them(base, tmp_path, sent):
    command = [sys.executable, "-m", "xmas_assets_tests.training.test_ranks", str(base), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        for line in parent.stdout:
            if int(line) == 4:
                assert len(ranks_below(tmp_path)) == 2
                parent.send_signal(sent)
                break
        parent.stdout.close()
        assert parent.wait(30) != 0
    ended_at = time.monotonic()
    while ranks_below(tmp_path) and time.monotonic() < ended_at + 10:
        time.sleep(0.05)
    print(f"none left after {time.monotonic() - ended_at:.1f} s")
    assert ranks_below(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_loss_that_is_not_finite_is_told_by_the_processes_in_one_line(base, tmp_path):
    with pytest.raises(ModelError, match=r"^the loss is \w+ at step \d+; lower the learning rate or check the base$"):
        train(base, tmp_path, settings=settings(learning_rate=1e3, max_grad_norm=0.0), ranks=TWO)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("ranks", "changes"),
    [
        (Ranks(2, "fsdp"), {}),
        (Ranks(2), {"micro_batch_size": 1}),
        (Ranks(4), {"micro_batch_size": 1}),
        (Ranks(2), {"lora": LORA.model_copy(update={"dropout": 0.0})}),
    ],
    ids=["fsdp", "two passes each", "four processes", "adapters"],
)
def test_where_the_order_of_sums_differs_weights_are_those_of_one_process_but_for_rounding(
    base, tmp_path, ranks, changes
):
    one = train(base, tmp_path / "one", settings=settings(**changes))
    several = train(base, tmp_path / "several", settings=settings(**changes), ranks=ranks)
    for theirs, ours in zip(several, one, strict=True):
        (name,) = (path.name for path in ours.path.glob("*model.safetensors"))
        expected, found = load_file(ours.path / name), load_file(theirs.path / name)
        assert found.keys() == expected.keys()
        for key, weight in expected.items():
            assert found[key] == pytest.approx(weight, abs=2e-5)
    losses = read_record(tmp_path / "several").losses
    assert losses == pytest.approx(read_record(tmp_path / "one").losses, rel=1e-5)


if __name__ == "__main__":
    train(
        Path(sys.argv[1]), Path(sys.argv[2]), ranks=TWO, progress=lambda progress: print(int(progress.done), flush=True)
    )
