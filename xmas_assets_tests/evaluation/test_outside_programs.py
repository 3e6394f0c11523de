"""An outside program gets no secret, and neither it nor what it started is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.evaluation.outside_programs import checked_python, clean_environment, hide, run_program

#: Starts a child in a session of its own, notes both processes, and waits.
WAITS = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with open("processes.new", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.replace("processes.new", "processes")
time.sleep(600)
"""
STUBBORN = WAITS.replace("child", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nchild", 1)
OURS = """
import os, sys
from pathlib import Path
from xmas_assets.evaluation.outside_programs import run_program
folder = Path(sys.argv[1])
run_program([sys.executable, "-c", sys.argv[2]], folder=folder, log=folder / "log", environment=os.environ, seconds=600)
"""


def wait_for(condition, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def run(program: str, folder: Path, *, seconds: float = 60.0, **environment: str) -> int | None:
    words = [sys.executable, "-I", "-c", program]
    return run_program(words, folder=folder, log=folder / "log", environment=environment, seconds=seconds)


def test_the_exit_code_and_all_output_of_a_program_are_kept(tmp_path):
    assert run("import sys; print('out', flush=True); sys.stderr.write('err'); sys.exit(7)", tmp_path) == 7
    assert (tmp_path / "log").read_text() == "out\nerr"


def test_a_program_runs_in_its_folder_with_the_given_variables_alone_and_nothing_to_read(tmp_path):
    said = "import os, sys, json; print(json.dumps([os.getcwd(), dict(os.environ), sys.stdin.read()]))"
    assert run(said, tmp_path, ONLY="this") == 0
    folder, variables, read = json.loads((tmp_path / "log").read_text())
    assert (folder, read) == (str(tmp_path), "")
    assert {name: value for name, value in variables.items() if name != "LC_CTYPE"} == {"ONLY": "this"}


def test_a_program_whose_time_is_over_is_ended_with_all_that_it_started(tmp_path):
    assert run(WAITS, tmp_path, seconds=2.0) is None
    pids = [int(pid) for pid in (tmp_path / "processes").read_text().split()]
    assert [pid for pid in pids if alive(pid)] == []


@pytest.mark.parametrize(("number", "program"), [(signal.SIGKILL, STUBBORN), (signal.SIGINT, WAITS)])
def test_when_we_are_stopped_or_killed_a_program_ends_with_all_that_it_started(tmp_path, number, program):
    ours = subprocess.Popen([sys.executable, "-c", OURS, tmp_path, program], stderr=subprocess.DEVNULL)
    assert wait_for((tmp_path / "processes").exists)
    pids = [int(pid) for pid in (tmp_path / "processes").read_text().split()]
    assert all(map(alive, pids))
    ours.send_signal(number)
    ours.wait()
    assert wait_for(lambda: not any(map(alive, pids)))


def test_what_a_program_leaves_running_is_ended_with_it(tmp_path):
    leaves = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)"
    )
    assert run(leaves, tmp_path) == 0
    assert wait_for(lambda: not alive(int((tmp_path / "log").read_text())))


def test_a_program_is_given_what_finds_its_files_and_no_secret(monkeypatch):
    given = {
        "HF_HOME": "/models", "LC_ALL": "C", "https_proxy": "http://proxy:1", "CUDA_VISIBLE_DEVICES": "0",
        "HF_TOKEN": "hf_x", "OPENAI_API_KEY": "sk", "AWS_SECRET_ACCESS_KEY": "x", "MLFLOW_TRACKING_PASSWORD": "x",
        "HTTP_PROXY": "http://me:word@proxy", "PYTHONPATH": "/ours", "DAGSTER_HOME": "/ours", "XMAS_HOME": "/ours",
        "HF_HUB_AUTH": "x", "XDG_SECRETS": "x", "MY_OWN": "x",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    kept = clean_environment()
    assert {name for name in given if name in kept} == {"HF_HOME", "LC_ALL", "https_proxy", "CUDA_VISIBLE_DEVICES"}
    assert kept["PATH"] == os.environ["PATH"]
    assert clean_environment(["OPENAI_API_KEY"])["OPENAI_API_KEY"] == "sk"
    with pytest.raises(SettingsError, match="--pass-env 'NOT_SET' is not a variable that is set"):
        clean_environment(["NOT_SET"])


def test_secrets_that_a_program_was_given_are_hidden_in_all_that_it_wrote(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(b"\xfftoken=hf_secret12, hf_secret12")
    (tmp_path / "other").write_bytes(b"nothing")
    hide(["hf_secret12", "short"], tmp_path)
    assert (tmp_path / "deep" / "log").read_bytes() == b"\xfftoken=***, ***"
    assert (tmp_path / "other").read_bytes() == b"nothing"


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_what_is_no_program_is_refused_with_what_to_give(tmp_path, make):
    make(tmp_path / "python")
    with pytest.raises(SettingsError, match="is not a program; give the python of the other environment, as ENV/bin"):
        checked_python(tmp_path / "python")


def test_a_virtual_environments_python_stays_the_link_that_it_is(tmp_path):
    (tmp_path / "python").symlink_to(sys.executable)
    assert checked_python(tmp_path / "python") == str(tmp_path / "python")
