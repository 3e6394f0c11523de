"""Ctrl-C, SIGTERM and a closed terminal at moments chosen by what a run is doing: it ends at once, and can go on."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest
from filelock import FileLock

from xmas_assets_tests.e2e.platforms import open_platform, register
from xmas_assets_tests.e2e.test_kill import assert_nothing_is_left_over, assert_same, finish, start, started_until

pytestmark = pytest.mark.timeout(900)  # a run is started ten times
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
STUCK = """
import hashlib, time
from xmas_assets.orchestration.stopping import stoppable
with stoppable():
    print("started", flush=True)
    try:
        {}
    except KeyboardInterrupt:
        time.sleep(60)
"""
CLOSING = """
import sqlite3, time
import sqlalchemy
from xmas_assets.orchestration.stopping import stoppable

class Slow(sqlite3.Connection):
    def close(self):
        print("started", flush=True)
        time.sleep(60)

with stoppable():
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: sqlite3.connect(":memory:", factory=Slow))
    engine.connect().close()
    engine.dispose()
"""


def in_imports(home: Path) -> subprocess.Popen:
    process = start(home)
    assert process.stdout is not None and process.stdout.readline().startswith("XMAS_HOME")
    return process


def between_two_steps(home: Path) -> subprocess.Popen:
    process = start(home)
    assert process.stdout is not None
    assert any("raw_dataset ..." in line for line in process.stdout)
    return process


def in_a_training(home: Path) -> subprocess.Popen:
    return started_until(home, "work/proxy_checkpoints/**/state/checkpoint-*/committed.json")


def when_a_step_has_just_ended(home: Path) -> subprocess.Popen:
    return started_until(home, "tables/clusters/**/*.parquet")


def in_two_workers(home: Path) -> subprocess.Popen:
    return started_until(home, "work/target_model/**/state/checkpoint-*/committed.json", "--workers", "2")


def started(program: str) -> subprocess.Popen:
    """A program of this text, some moments after it said that it has started."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    time.sleep(0.3)
    return process


def session(leader: int) -> set[int]:
    """The processes of a session."""
    found = set()
    for pid in psutil.pids():
        with suppress(ProcessLookupError):
            if os.getsid(pid) == leader:
                found.add(pid)
    return found


def stop(process: subprocess.Popen, number: signal.Signals) -> str:
    """Send the signal, as a terminal does to all processes or as ``kill`` does to one; returns what was printed."""
    asked = time.monotonic()
    if number == signal.SIGTERM:
        process.send_signal(number)
    else:
        os.killpg(process.pid, number)
    said = process.communicate(timeout=60)[0]
    assert time.monotonic() - asked < 10
    assert (process.returncode, session(process.pid)) == (128 + number, set()), said
    assert "Traceback" not in said and said.count("stopped (") == 1
    last = f"xmas: stopped ({number.name}); what is finished is kept, and the same command goes on"
    assert said.splitlines()[-1] == last
    return said


def assert_ended(home: Path) -> None:
    assert {run.status for run in open_platform(home).instance.get_runs()} <= ENDED


MOMENTS: list[tuple[Callable[[Path], subprocess.Popen], signal.Signals]] = [
    (in_imports, signal.SIGHUP),
    (between_two_steps, signal.SIGINT),
    (in_a_training, signal.SIGTERM),
    (when_a_step_has_just_ended, signal.SIGTERM),
    (in_two_workers, signal.SIGINT),
]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """A home whose run was stopped at each of the moments."""
    home = tmp_path_factory.mktemp("stopped")
    register(home)
    for moment, number in MOMENTS:
        stop(moment(home), number)
        assert_ended(home)
    return home


@pytest.mark.slow
def test_a_run_stopped_on_its_way_ends_with_the_bytes_of_an_undisturbed_one(stopped, built):
    finish(stopped)
    assert_same(stopped, built)
    assert_nothing_is_left_over(stopped, others={dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})


@pytest.mark.slow
def test_a_run_that_waits_for_mlflow_is_stopped(tmp_path):
    register(tmp_path)
    (tmp_path / "mlflow" / "outbox").mkdir(parents=True)
    with FileLock(tmp_path / "mlflow" / "outbox" / ".lock"):
        process = started_until(tmp_path, "locks/selected_subset__*", methods=("random",))
        time.sleep(2)
        assert not list((tmp_path / "tables").glob("selected_subset/*"))
        stop(process, signal.SIGHUP)
    assert_ended(tmp_path)


def test_below_a_script_in_the_background_sigint_stays_ignored_and_sigterm_stops_a_run(tmp_path):
    register(tmp_path)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what ends in "&"
    try:
        process = between_two_steps(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    stop(process, signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("work", ["time.sleep(60)", "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"])
def test_a_program_that_does_not_listen_is_ended_within_seconds(number, work):
    stop(started(STUCK.format(work)), number)


def test_a_stop_that_a_library_logs_as_its_own_error_leaves_no_traceback():
    stop(started(CLOSING), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_stopped_at_forty_random_moments_ends_with_the_same_bytes(built, tmp_path):
    register(tmp_path)
    moments = random.Random(0)
    for number in range(40):
        process = start(tmp_path, "--workers", str(1 + number % 2))
        time.sleep(moments.uniform(0.2, 15))
        if process.poll() is None:
            stop(process, moments.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
        assert_ended(tmp_path)
    finish(tmp_path)
    assert_same(tmp_path, built)
    assert_nothing_is_left_over(tmp_path, others={dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
