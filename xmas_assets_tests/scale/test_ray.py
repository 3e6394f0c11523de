"""Ray as the engine, with real actors and raylets, killed and frozen; in a network namespace of its own."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from xmas_assets.scale.engines import SERIAL, have_made
from xmas_assets.scale.shards import ItemCounter
from xmas_assets_tests.scale.numbers import SHARDS, Numbers, contents, events

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra 'ray')"),
    pytest.mark.skipif(
        shutil.which("unshare") is None or os.geteuid() != 0,
        reason="Ray listens on all addresses, and only root can give it a network of its own here (unshare)",
    ),
]


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("serial")
    have_made(Numbers(folder), SHARDS, engine=SERIAL, counter=ItemCounter(len(SHARDS)))
    return contents(folder)


def run(folder: Path, mishap: str) -> "subprocess.CompletedProcess[str]":
    command = ["unshare", "--net", sys.executable, "-m", "xmas_assets_tests.scale.ray_scenarios", str(folder), mishap]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environment)


def made(folder: Path) -> list[int]:
    return sorted(int(event[2]) for event in events(folder) if event[1] == "made")


ALL = [shard.index for shard in SHARDS]


@pytest.mark.slow
def test_the_shard_of_a_killed_actor_is_made_by_another_each_once_with_the_bytes_of_a_serial_run(tmp_path, serial):
    done = run(tmp_path, "killed")
    assert done.returncode == 0, done.stderr
    assert "the worker at shard 4 is gone" in done.stderr
    assert made(tmp_path) == ALL
    assert contents(tmp_path) == serial
    assert "processes: 3" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mishap", "said"), [("frozen", "no answer for 30 s (workers.deadline_seconds)"), ("raylet", "is gone")]
)
def test_neither_a_frozen_actor_nor_a_killed_raylet_loses_a_shard(tmp_path, serial, mishap, said):
    done = run(tmp_path, mishap)
    assert done.returncode == 0, done.stderr
    assert said in done.stderr
    assert made(tmp_path) == ALL
    assert contents(tmp_path) == serial


@pytest.mark.slow
def test_a_killed_driver_leaves_what_was_made_and_a_rerun_makes_the_rest(tmp_path, serial):
    killed = run(tmp_path, "driver")
    assert killed.returncode != 0
    before = sorted(tmp_path.glob("shard-*"))
    assert 3 <= len(before) < len(SHARDS)
    stamps = {path: path.stat().st_mtime_ns for path in before}
    done = run(tmp_path, "plain")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path) == serial
    assert {path: path.stat().st_mtime_ns for path in before} == stamps


@pytest.mark.slow
def test_an_error_of_the_work_ends_a_run_on_ray_with_its_own_message(tmp_path):
    done = run(tmp_path, "refused")
    assert done.returncode != 0
    assert done.stderr.rstrip().endswith("ModelError: the model is no model; take another")
