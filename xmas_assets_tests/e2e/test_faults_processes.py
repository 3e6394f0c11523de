"""What other processes do to a run: one on the same partition, a locked event log, an interruption."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import dagster as dg
import pytest

from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.orchestration.process_claims import PROCESS_TAG, cancel_runs_of_ended_servers, end_killed_runs
from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets.store.database import connect, query
from xmas_assets_tests.e2e.platforms import QUICK, keys, open_platform, register, table_bytes, xmas
from xmas_assets_tests.e2e.test_kill import artefacts

LOCK_DATABASES = """
import sqlite3, sys, time
connections = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[1:]]
for connection in connections:
    connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(2)
"""


def wait_for(home: Path, pattern: str) -> Path:
    ends = time.monotonic() + 200
    while not (found := list(home.glob(pattern))):
        assert time.monotonic() < ends, f"{pattern} never came"
        time.sleep(0.001)
    return found[0]


# 87 two runs on one partition


def run(home: Path, method: str) -> subprocess.Popen:
    words = ["run", "shapes", "--method", method, "--budget", "1.0" if method == "full" else "0.2"]
    return subprocess.Popen(
        [sys.executable, "-m", "xmas_assets", *words],
        env=os.environ | {"XMAS_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_runs_of_one_dataset_at_once_both_end_well_and_give_what_one_after_the_other_gives(tmp_path, built):
    register(tmp_path)
    first = run(tmp_path, "random")
    wait_for(tmp_path, "work/raw_dataset/shapes/*")
    first.send_signal(signal.SIGSTOP)
    second = run(tmp_path, "full")
    try:
        assert second.stderr is not None
        waits = "raw_dataset of shapes is being made by another run; waiting for it\n"
        assert any(line == waits for line in second.stderr)
        assert xmas(tmp_path, "dataset", "remove", "shapes", "--yes").message.startswith(
            "xmas: a run is at work on dataset 'shapes'"
        )
    finally:
        first.send_signal(signal.SIGCONT)
    said = [process.communicate(timeout=200)[1] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    ours, theirs = artefacts(tmp_path), artefacts(built)
    assert len(ours) > 10 and {path: theirs[path] for path in ours} == ours
    ranked = Home.open(tmp_path).stored("leaderboard", "shapes")["leaderboard"].frame()
    assert {"random", "full"} <= set(ranked["method"])


# 88 event log locked, 89 reading while a run writes, 99 a lock left behind


def test_an_event_log_locked_for_seconds_delays_a_run_and_no_more(platform, copied):
    databases = [str(path) for path in (copied / "dagster").rglob("*.db")]
    assert len(databases) >= 2
    locker = subprocess.Popen([sys.executable, "-c", LOCK_DATABASES, *databases], stdout=subprocess.PIPE, text=True)
    assert locker.stdout is not None and locker.stdout.readline() == "locked\n"
    started = time.monotonic()
    run_selections(platform, "shapes", keys("random_b0.15_s0"), stages=("selected_subset",), say=lambda line: None)
    assert time.monotonic() - started > 1
    assert locker.wait() == 0
    assert platform.home.stored("selected_subset", "shapes|random_b0.15_s0")["subset"].n_rows == 36


def test_sql_reads_whole_tables_while_a_run_replaces_them(platform, copied):
    seen, done = set(), threading.Event()

    def read() -> None:
        with connect(copied / "tables") as connection:
            while not done.is_set():
                sql = "SELECT count(*), count(DISTINCT sample_id) FROM raw_dataset.samples WHERE dataset = ?"
                seen.add(query(connection, sql, ["shapes"]).row(0))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        platform.materialize(["raw_dataset"], "shapes")
    done.set()
    reader.join()
    assert seen == {(240, 240)}


def test_a_lock_file_left_from_before_a_reboot_is_free(tmp_path):
    register(tmp_path)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "raw_dataset__shapes.lock").write_text("4711")
    platform = open_platform(tmp_path)
    platform.observe("shapes")
    platform.materialize(["raw_dataset"], "shapes")
    assert platform.home.stored("raw_dataset", "shapes")["samples"].n_rows == 240


def test_the_run_of_a_process_that_is_gone_is_marked_as_failed_and_one_elsewhere_is_not(platform, copied):
    locks = copied / "locks"
    (locks / "process-gone.lock").touch()
    owners = {"gone": "process-gone.lock", "elsewhere": "process-on-another-machine.lock"}
    runs = {
        name: platform.instance.create_run_for_job(
            platform.defs.resolve_job_def("publish_leaderboard"),
            status=dg.DagsterRunStatus.STARTED,
            tags={PROCESS_TAG: o},
        )
        for name, o in owners.items()
    }
    end_killed_runs(platform.instance, locks)
    statuses = {name: platform.instance.get_run_by_id(run.run_id).status for name, run in runs.items()}
    assert statuses == {"gone": dg.DagsterRunStatus.FAILURE, "elsewhere": dg.DagsterRunStatus.STARTED}
    platform.instance.report_run_canceled(runs["elsewhere"])


def test_a_run_of_a_code_server_that_has_ended_is_canceled_and_one_of_a_living_server_is_not(platform, copied):
    def started(server: dict[str, object]) -> str:
        job = platform.defs.resolve_job_def("publish_leaderboard")
        tags = {".dagster/grpc_info": json.dumps(server)}
        return platform.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags).run_id

    with socket.socket(socket.AF_UNIX) as server, socket.create_server(("127.0.0.1", 0)) as at_port:
        server.bind(str(copied / "socket"))
        server.listen()
        port = at_port.getsockname()[1]
        living = [
            started({"host": "localhost", "socket": str(copied / "socket")}),
            started({"host": "127.0.0.1", "port": port}),
        ]
        cancel_runs_of_ended_servers(platform.instance)
        statuses = {run: platform.instance.get_run_by_id(run).status for run in living}
        assert statuses == dict.fromkeys(living, dg.DagsterRunStatus.STARTED)
    cancel_runs_of_ended_servers(platform.instance)
    statuses = {run: platform.instance.get_run_by_id(run).status for run in living}
    assert statuses == dict.fromkeys(living, dg.DagsterRunStatus.CANCELED)


# 98 settings that changed between two attempts


@pytest.mark.slow
def test_settings_changed_between_an_interrupted_run_and_the_next_leave_nothing_of_the_old_behind(tmp_path):
    changed = QUICK | {"proxy": QUICK["proxy"] | {"learning_rate": 0.0005}}
    stopped, straight = tmp_path / "stopped", tmp_path / "straight"
    register(stopped)
    register(straight, overrides=changed)
    command = [sys.executable, "-m", "xmas_assets", "select", "shapes", "--method", "xmas"]
    environment = os.environ | {"XMAS_HOME": str(stopped)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    wait_for(stopped, "work/proxy_checkpoints/shapes/*/run/state/checkpoint-*/committed.json")
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=100)[1]
    assert (process.returncode, "attention_trajectories" in errors) == (130, False)
    Registration.named(stopped, "shapes").model_copy(update={"overrides": changed}).save(stopped)
    for home in (stopped, straight):
        run_selections(open_platform(home), "shapes", keys("xmas_b0.20_s0"), stages=("selected_subset",))
    assert table_bytes(stopped) == table_bytes(straight)
