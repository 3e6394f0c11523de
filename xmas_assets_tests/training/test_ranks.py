"""Trainings on several processes, which are real: started, killed, and looked for."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from xmas_assets.contracts.errors import ModelError, SettingsError
from xmas_assets.contracts.progress import Progress
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.workers import Ranks
from xmas_assets.training.run_directory import read_record
from xmas_assets_tests.training.small import LORA, ROOT, make_samples, settings, train, weights

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


def processes_of(output: Path) -> dict[int, str]:
    """Command by id of the processes that train there."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=1) for line in listed.splitlines() if str(output / "job") in line]
    return {int(pid): command for pid, command in lines}


def rank_processes(output: Path) -> list[int]:
    """Ids of the ranks, without that of what watches over them; the first to start comes first."""
    return sorted(pid for pid, command in processes_of(output).items() if "torch.distributed.run" not in command)


def wait_until_none_is_left(output: Path, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while processes_of(output) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(output) == {}


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_process_fails_the_run_at_once_and_the_next_goes_on_to_the_same_bytes(
    base, tmp_path, sharding, number
):
    ranks = Ranks(2, sharding)
    killed_at: list[float] = []

    def kill(progress: Progress) -> None:
        if progress.done == 8:  # a state was saved at step 6
            os.kill(rank_processes(tmp_path / "killed")[number], signal.SIGKILL)
            killed_at.append(time.monotonic())

    with pytest.raises(ModelError, match="ended with code -9 while training.*run again"):
        train(base, tmp_path / "killed", ranks=ranks, progress=kill)
    assert time.monotonic() - killed_at[0] < 30
    assert processes_of(tmp_path / "killed") == {}
    steps: list[float] = []
    again = train(base, tmp_path / "killed", ranks=ranks, progress=lambda progress: steps.append(progress.done))
    assert steps == [7, 8, 9, 10, 11, 12]
    assert weights(again) == weights(train(base, tmp_path / "unbroken", ranks=ranks))


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_them(base, tmp_path, sent):
    command = [sys.executable, "-m", "xmas_assets_tests.training.test_ranks", str(base), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        for line in parent.stdout:
            if int(line) == 4:
                assert len(rank_processes(tmp_path)) == 2
                parent.send_signal(sent)
                break
        parent.stdout.close()
        assert parent.wait(30) != 0
    wait_until_none_is_left(tmp_path, seconds=10)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_told_by_the_processes_in_one_line(base, tmp_path):
    with pytest.raises(ModelError, match=r"^the loss is \w+ at step \d+; lower the learning rate or check the base$"):
        train(base, tmp_path, settings=settings(learning_rate=1e3, max_grad_norm=0.0), ranks=TWO)


@pytest.mark.slow
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
