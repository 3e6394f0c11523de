"""``xmas run`` with two processes for its training: the weights of one, and none left when a process is ended."""

import copy
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xmas_assets_tests.e2e.platforms import QUICK, open_platform, register, xmas
from xmas_assets_tests.training.small import ranks_below

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def registered(home: Path, *, n_ranks: int) -> Path:
    overrides = copy.deepcopy(QUICK) | {"workers": {"training_ranks": n_ranks}}
    overrides["target"] |= {"micro_batch_size": 8}
    overrides["proxy"] |= {"micro_batch_size": 8}  # of 16 rows: a pass each
    register(home, overrides=overrides)
    return home


def start(home: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "xmas_assets", "run", "shapes", "--method", "random", "--budget", "0.2"],
        env=os.environ | {"XMAS_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def in_training(home: Path) -> subprocess.Popen:
    run = start(home)
    ends = time.monotonic() + 600
    while not list(home.glob("work/target_model/**/state/checkpoint-*/committed.json")):
        assert run.poll() is None and time.monotonic() < ends
        time.sleep(0.01)
    assert len(ranks_below(home)) == 2
    return run


def weights(home: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(home.glob("work/target_model/**/checkpoint-*/model.safetensors"))]


def test_a_process_that_is_killed_fails_the_step_and_the_next_run_ends_with_the_weights_of_one_process(tmp_path):
    two, one = registered(tmp_path / "two", n_ranks=2), registered(tmp_path / "one", n_ranks=1)
    run = in_training(two)
    ranks_below(two)[1].kill()
    killed_at = time.monotonic()
    _, said = run.communicate(timeout=60)
    print(f"failed after {time.monotonic() - killed_at:.1f} s")
    assert run.returncode == 1
    assert "process 1 of 2 ended with code -9 while training; -9 often means that memory ran out; run again" in said
    assert ranks_below(two) == []
    for home in (two, one):
        again = start(home)
        _, said = again.communicate(timeout=900)
        assert again.returncode == 0, said
    assert len(weights(two)) == 1 and weights(two) == weights(one)
    instance = open_platform(two).instance
    told = [entry.user_message for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    assert "2 processes train together (ddp)" in told


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_or_killed_leaves_no_process_that_trains(tmp_path, sent, code):
    run = in_training(registered(tmp_path, n_ranks=2))
    run.send_signal(sent)
    sent_at = time.monotonic()
    run.communicate(timeout=60)
    assert run.returncode == code
    while ranks_below(tmp_path) and time.monotonic() < sent_at + 20:
        time.sleep(0.05)
    print(f"none left after {time.monotonic() - sent_at:.1f} s")
    assert ranks_below(tmp_path) == []


def test_a_proxy_that_two_processes_train_has_the_weights_of_one(tmp_path):
    found = {}
    for n_ranks in (1, 2):
        home = registered(tmp_path / str(n_ranks), n_ranks=n_ranks)
        done = xmas(home, "work", "shapes", "attention_trajectories", "--inputs")
        assert done.code == 0, done.err
        paths = sorted(home.glob("work/proxy_checkpoints/**/checkpoint-*/model.safetensors"))
        found[n_ranks] = [(path.parent.name, path.read_bytes()) for path in paths]
    assert len(found[1]) == 3
    assert found[2] == found[1]
