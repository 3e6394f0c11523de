"""``xmas benchmark run``: a stand-in for lmms-eval, in an environment of its own, asks and scores real targets."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import KEY, Said, open_platform, xmas
from xmas_assets_tests.evaluation.outside_environment import make_environment


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    return make_environment(tmp_path_factory.mktemp("environment") / "env")


def words(python: Path, *more: str, selection: str = KEY) -> tuple[str | Path, ...]:
    return ("benchmark", "run", "shapes", "--runner", "lmms-eval", "--python", python, "--selection", selection, *more)


def run(home: Path, python: Path, *more: str, selection: str = KEY) -> Said:
    return xmas(home, *words(python, *more, selection=selection))


def logs(home: Path) -> dict[Path, int]:
    """When each start was made."""
    return {path: path.stat().st_mtime_ns for path in home.glob("work/lmms_eval/*/*/*/log.txt")}


def rows(said: Said) -> list[list[str]]:
    return [line.split("\t") for line in said.out.splitlines() if line.startswith("lmms-eval")]


def test_targets_are_scored_stored_and_shown_next_to_our_own_scores(copied, python):
    before = xmas(copied, "leaderboard", "shapes").out
    done = run(copied, python, "--task", "yes_no", "--task", "both")
    assert done.code == 0, done.err
    assert rows(done) == [
        ["lmms-eval 0.7.3", "both", "both", "accuracy", "none", "xmas", "0.20", "1", "", "0.5"],
        ["lmms-eval 0.7.3", "both", "colours", "accuracy", "none", "xmas", "0.20", "1", "2", "0.5"],
        ["lmms-eval 0.7.3", "both", "colours", "exact", "strip", "xmas", "0.20", "1", "2", "1.0"],
        ["lmms-eval 0.7.3", "both", "yes_no", "accuracy", "none", "xmas", "0.20", "1", "3", "0.6666666666666666"],
        ["lmms-eval 0.7.3", "both", "yes_no", "exact", "strip", "xmas", "0.20", "1", "3", "2.0"],
        ["lmms-eval 0.7.3", "yes_no", "yes_no", "accuracy", "none", "xmas", "0.20", "1", "3", "0.6666666666666666"],
        ["lmms-eval 0.7.3", "yes_no", "yes_no", "exact", "strip", "xmas", "0.20", "1", "3", "2.0"],
    ]
    assert "1 of 2 answers to colours are empty" in done.err
    stored = Home.open(copied).stored("lmms_eval_scores", f"shapes|{KEY}")
    own = Home.open(copied).stored("benchmark_scores", f"shapes|{KEY}")
    answers = stored["answers"].frame().filter(asked="yes_no")
    assert answers.drop("asked").rows()[1] == ("yes_no", "1", None, "question 1?", " no", 0.0)
    assert "lmms" not in " ".join(own)
    facts = stored["tasks"].frame().filter(asked="yes_no").row(0, named=True)
    target = Home.open(copied).stored("target_model", f"shapes|{KEY}")["checkpoints"].column("digest")[-1]
    expected = {"model": "llava_hf", "model_args": "pretrained=../model,device_map=cpu", "lmms_eval": "0.7.3"}
    expected |= {"task_version": "Yaml", "task_hash": "hash of yes_no", "n_items": 3, "n_empty": 0, "target": target}
    assert {name: facts[name] for name in expected} == expected
    shown = xmas(copied, "leaderboard", "shapes")
    assert shown.out == before + done.out and "Scored by lmms-eval, by its own rules" in shown.err
    asked = "SELECT benchmark, avg(score) FROM lmms_eval_scores.answers GROUP BY ALL ORDER BY ALL"
    assert xmas(copied, "sql", asked).out.splitlines()[1] == "colours\t0.5"
    assert not list(copied.glob("work/lmms_eval/*/*/model"))


def test_what_came_out_is_in_the_models_own_run_of_mlflow(copied, python):
    from mlflow import MlflowClient

    assert run(copied, python, "--task", "yes_no").code == 0
    client = MlflowClient(f"sqlite:///{copied}/mlflow/mlflow.db")
    (experiment,) = [each for each in client.search_experiments() if each.name == "shapes"]
    (trained,) = [
        each for each in client.search_runs([experiment.experiment_id]) if each.info.run_name == f"train {KEY}"
    ]
    assert trained.data.metrics["lmms_eval/yes_no/accuracy"] == pytest.approx(2 / 3)
    assert trained.data.metrics["lmms_eval/yes_no/exact strip"] == 2.0
    assert "score" in trained.data.metrics
    assert trained.data.tags["lmms_eval.yes_no"].startswith("lmms-eval 0.7.3, version Yaml, hash hash of yes_no, ")


def test_a_finished_task_is_not_run_again_unless_the_runner_its_settings_or_its_files_change(
    copied, python, tmp_path, monkeypatch
):
    selection = "random_b0.20_s0"
    assert run(copied, python, "--task", "yes_no", selection=selection).code == 0
    first = logs(copied)
    again = run(copied, python, "--task", "yes_no", "--task", "colours", selection=selection)
    assert f"{selection}: yes_no was scored before" in again.err
    assert {path: logs(copied)[path] for path in first} == first and len(logs(copied)) == len(first) + 1
    tables = Home.open(copied).stored("lmms_eval_scores", f"shapes|{selection}")
    assert sorted(tables["tasks"].frame()["asked"]) == ["colours", "yes_no"]
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "own.yaml").write_text("task: yes_no")
    newer = make_environment(tmp_path / "env", version="0.8.0")
    n = len(logs(copied))
    for changed in (
        (python, "--limit", "1"),
        (python, "--include-path", str(tmp_path / "tasks")),
        (python, "--model-args", "dtype=float32"),
        (newer,),
    ):
        n += 1
        done = run(copied, *changed, "--task", "yes_no", selection=selection)
        assert (done.code, len(logs(copied))) == (0, n), done.err
    tables = Home.open(copied).stored("lmms_eval_scores", f"shapes|{selection}")
    assert tables["tasks"].frame().select("asked", "lmms_eval").rows() == [("colours", "0.7.3"), ("yes_no", "0.8.0")]
    monkeypatch.setenv("HF_TOKEN", "hf_secret_12")
    with_secret = run(copied, newer, "--task", "environment", "--pass-env", "HF_TOKEN", selection=selection)
    (log,) = [path for path in logs(copied) if '"PATH"' in path.read_text()]
    assert with_secret.code == 2 and '"HF_TOKEN": "***"' in log.read_text() and "XMAS_HOME" not in log.read_text()


def test_scores_of_a_target_that_is_no_more_are_not_shown(copied, python, tmp_path):
    home = shutil.copytree(copied, tmp_path / "home")
    assert rows(run(home, python, "--task", "yes_no"))
    checkpoints = Home.open(home).stored("target_model", f"shapes|{KEY}")
    other = Home.open(home).stored("target_model", "shapes|full_b1.00_s0")
    shutil.copyfile(other["checkpoints"].path, checkpoints["checkpoints"].path)
    assert [row for row in rows(xmas(home, "leaderboard", "shapes")) if row[5] == "xmas"] == []
    shutil.rmtree(checkpoints.directory)
    assert [row for row in rows(xmas(home, "leaderboard", "shapes")) if row[5] == "xmas"] == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--task", "unknown"), "wrote no results of task 'unknown' (exit code 0): Error during evaluation: Tasks not"),
        (("--task", "yes_no", "--include-path", "absent"), "'absent' is not a directory; give the folder of the task"),
        (
            ("--task", "yes_no", "--runner", "lm-eval"),
            "--runner 'lm-eval' is not known; did you mean 'lmms-eval'? use one of lmms-eval",
        ),
        (("--task", "yes_no", "--python", "absent/python"), "'absent/python' is not a program; give the python of the"),
        (("--task", "yes_no", "--python", sys.executable), "has no lmms-eval (importlib.metadata.PackageNotFoundError"),
        (("--task", "yes_no", "--selection", "random_b0.40_s0"), "run: xmas run shapes --method random --budget 0.40"),
        (("--task", "yes_no", "--pass-env", "NOT_SET"), "--pass-env 'NOT_SET' is not a variable that is set"),
        ((), "'shapes' names no benchmark that lmms-eval has; name its tasks by --task"),
    ],
)
def test_what_cannot_be_run_is_one_line(copied, python, more, message):
    done = run(copied, python, *more)
    assert done.code == 2 and message in done.err.splitlines()[-1] and "Traceback" not in done.err, done


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_process_and_goes_on(copied, python):
    selection = "full_b1.00_s0"
    command = [sys.executable, "-m", "xmas_assets", *map(str, words(python, "--task", "colours", selection=selection))]
    command += ["--task", "waits"]
    ours = subprocess.Popen(command, env=os.environ | {"XMAS_HOME": str(copied)}, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (noted := list(copied.glob("work/lmms_eval/*/*/*/processes.txt"))) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(0.2)
    pids = [int(pid) for pid in noted[0].read_text().split()]
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    kept = Home.open(copied).stored("lmms_eval_scores", f"shapes|{selection}")["tasks"].frame()
    assert kept["asked"].to_list() == ["colours"]
    again = run(copied, python, "--task", "colours", "--task", "yes_no", selection=selection)
    assert again.code == 0 and "colours was scored before" in again.err


def test_the_assets_of_a_dataset_stay_as_they_are(copied, python):
    states = xmas(copied, "status", "shapes").out
    assert run(copied, python, "--task", "yes_no").code == 0
    assert xmas(copied, "status", "shapes").out == states
    assert json.dumps(open_platform(copied).stale(["leaderboard"], "shapes")) == "[]"
