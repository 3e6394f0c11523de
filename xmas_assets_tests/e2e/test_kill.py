"""SIGKILL at every stage of a real run, then the same command again: the bytes of an undisturbed run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import BUILT, DATASET_STAGES, SELECTION_STAGES, open_platform, register

METHODS = ("xmas", "random", "full")
STAGES = ("base_model", "raw_dataset", *DATASET_STAGES[2:], *SELECTION_STAGES, "leaderboard")  # as they come
MID_WORK = {
    "proxy_checkpoints": ("work/{stage}/**/state/checkpoint-*/committed.json", "work/{stage}/**/run/checkpoint-*"),
    "attention_trajectories": ("work/{stage}/**/shard-00000000", "work/{stage}/**/shard-00000003"),
    "target_model": ("work/{stage}/**/state/checkpoint-*/committed.json", "work/{stage}/**/run/checkpoint-*"),
    "leaderboard": ("reports/**/report.html",),
}
AROUND_WORK = ("locks/{stage}__*", "work/{stage}/**/tables/*.parquet*", "tables/{stage}/**/*.parquet")
FEW = [
    "work/attention_trajectories/**/shard-00000003",
    "work/target_model/**/state/checkpoint-*/committed.json",
]
ALL = [
    "dagster/history/runs.db",
    *(
        pattern.format(stage=stage)
        for stage in STAGES
        for pattern in (AROUND_WORK[0], *MID_WORK.get(stage, ()), *AROUND_WORK[1:])
    ),
]


def start(home: Path, *words: str, methods: tuple[str, ...] = METHODS) -> subprocess.Popen:
    chosen = [word for name in methods for word in ("--method", name)]
    command = [sys.executable, "-m", "xmas_assets", "run", "shapes", *chosen, "--budget", "0.2", *words]
    environment = os.environ | {"XMAS_HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def seen(home: Path, pattern: str) -> dict[Path, int]:
    """Files and folders that match, with the time of their last change."""
    found = {}
    for path in home.glob(pattern):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # renamed meanwhile
            continue
    return found


def started_until(home: Path, pattern: str, *words: str, methods: tuple[str, ...] = METHODS) -> subprocess.Popen:
    """A run at the moment when something new matches ``pattern``, which must come before it ends."""
    before = seen(home, pattern)
    process = start(home, *words, methods=methods)
    while not seen(home, pattern).items() - before.items():
        if process.poll() is not None:
            output = process.communicate()[0]
            raise AssertionError(f"the run ended with {process.returncode} before {pattern} was seen:\n{output}")
        time.sleep(0.005)
    return process


def kill_when(home: Path, pattern: str) -> None:
    process = started_until(home, pattern)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def finish(home: Path) -> str:
    process = start(home)
    output = process.communicate(timeout=250)[0]
    assert process.returncode == 0, output
    return output


def artefacts(home: Path) -> dict[str, bytes]:
    """Every stored table and every trained weight; the leaderboard is compared apart, for it holds CPU seconds."""
    tables = [path for path in (home / "tables").rglob("*.parquet") if "leaderboard" not in path.parts]
    weights = (home / "work").rglob("checkpoint-*/*.safetensors")
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted([*tables, *weights])}


def leaderboard(home: Path) -> dict[str, list[dict]]:
    tables = Home.open(home).stored("leaderboard", "shapes")
    columns = pl.exclude("^.*cpu_seconds$")
    results = {name: table for name, table in tables.items() if name not in ("costs", "break_even")}
    return {name: table.scan().select(columns).collect().to_dicts() for name, table in results.items()}


def assert_same(home: Path, undisturbed: Path) -> None:
    ours, theirs = artefacts(home), artefacts(undisturbed)
    assert ours.keys() == theirs.keys()
    assert [path for path in theirs if ours[path] != theirs[path]] == []
    assert leaderboard(home) == leaderboard(undisturbed)


def assert_nothing_is_left_over(home: Path, *, others: set[dg.DagsterRunStatus]) -> None:
    """No half-written file, no run that seems to go on, and nothing to do for the next run."""
    halves = [*home.rglob("*.unfinished"), *home.rglob("*/run/state")]
    assert halves == []
    platform = open_platform(home)
    statuses = {run.status for run in platform.instance.get_runs()}
    assert statuses == {dg.DagsterRunStatus.SUCCESS, *others}
    assert platform.stale((*DATASET_STAGES, "leaderboard"), "shapes") == []
    assert [key for key in BUILT if platform.stale(SELECTION_STAGES, f"shapes|{key}")] == []


def mlflow_runs(home: Path) -> list[str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments)  # one that was killed is a command of its own
    return sorted(run.info.run_name for run in runs if run.data.tags["xmas.kind"] != "command")


def killed_at(home: Path, patterns: Iterable[str]) -> None:
    register(home)
    for pattern in patterns:
        kill_when(home, pattern)
    finish(home)


@pytest.mark.timeout(900)  # on a busy machine
def test_a_run_killed_twice_on_its_way_ends_with_the_bytes_of_an_undisturbed_one(built, tmp_path):
    killed_at(tmp_path, FEW)
    assert_same(tmp_path, built)
    assert mlflow_runs(tmp_path) == mlflow_runs(built)
    assert_nothing_is_left_over(tmp_path, others={dg.DagsterRunStatus.FAILURE})


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_killed_at_every_stage_at_several_moments_ends_with_the_same_bytes(built, tmp_path):
    killed_at(tmp_path, ALL)
    assert_same(tmp_path, built)
    assert mlflow_runs(tmp_path) == mlflow_runs(built)
    assert_nothing_is_left_over(tmp_path, others={dg.DagsterRunStatus.FAILURE})
