"""The toy pipeline in an object store, from several machines."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import QUICK, register, table_bytes
from xmas_assets_tests.remote.server import ACCESS

SMALL = QUICK | {"target": QUICK["target"] | {"epochs": 1}, "benchmark": {"max_questions": 12, "threads": 1}}
RUNS = (("xmas", "0.2"), ("random", "0.2"), ("length", "0.2"))


class Machines:
    """Machines that share one home; each has a scratch folder, and Dagster's records, of its own."""

    def __init__(self, folder: Path, s3: str) -> None:
        self.folder = folder
        self.address = f"s3://bucket/{folder.name}"
        self.variables = os.environ | ACCESS | {"AWS_ENDPOINT_URL": s3, "OMP_NUM_THREADS": "1"}

    def start(self, machine: str, *words: str, home: str = "") -> subprocess.Popen[str]:
        variables = self.variables | {"XMAS_SCRATCH": str(self.folder / machine), "XMAS_HOME": home or self.address}
        command = [sys.executable, "-m", "xmas_assets", *words]
        return subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def run(self, machine: str, *words: str, home: str = "") -> tuple[int, str, str]:
        process = self.start(machine, *words, home=home)
        out, err = process.communicate(timeout=600)
        return process.returncode, out, err

    def root(self, machine: str) -> Path:
        """The working copy of a machine."""
        return next((self.folder / machine).iterdir())


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, bytes]:
    """The tables that one machine makes on its own disk."""
    home = tmp_path_factory.mktemp("alone")
    register(home, n_train=96, overrides=SMALL)
    machines = Machines(tmp_path_factory.mktemp("none"), "http://127.0.0.1:9")
    for method, budget in RUNS:
        code, _, err = machines.run("", "run", "shapes", "--method", method, "--budget", budget, home=str(home))
        assert code == 0, err
    return results(home)


def results(home: Path) -> dict[str, bytes]:
    """The tables of every stage but the leaderboard, which compares what was there when it was made."""
    return {name: content for name, content in table_bytes(home).items() if "leaderboard" not in name}


@pytest.fixture
def machines(tmp_path, s3, monkeypatch) -> Machines:
    machines = Machines(tmp_path, s3)
    for name, value in machines.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XMAS_SCRATCH", str(tmp_path / "a"))
    register(Home.open(machines.address).root, n_train=96, overrides=SMALL)
    Home.open(machines.address)  # the next command shares the registration
    return machines


@pytest.mark.timeout(1200)
@pytest.mark.slow  # 200 CPU seconds
def test_two_machines_at_once_make_what_one_makes_alone(machines, alone):
    first, second = (
        machines.start(machine, "run", "shapes", "--method", method, "--budget", budget)
        for machine, (method, budget) in zip("ab", RUNS[:2], strict=True)
    )
    for process in (first, second):
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
    code, _, err = machines.run("c", "run", "shapes", "--method", "length", "--budget", "0.2")
    assert code == 0, err
    query = "SELECT count(DISTINCT selection) AS n FROM selected_subset.subset"
    code, out, err = machines.run("d", "sql", query, "--format", "csv")
    assert (code, out.split()) == (0, ["n", "3"]), err
    Home.open(machines.address).tables()
    assert results(machines.root("a")) == alone
    for refused in ("SELECT * FROM read_text('/etc/passwd')", f"SELECT * FROM read_parquet('{machines.address}/x')"):
        code, out, err = machines.run("d", "sql", refused)
        assert (code, out) == (2, "") and "disabled by configuration" in err, err


@pytest.mark.timeout(1200)
@pytest.mark.slow  # 120 CPU seconds, and a minute until the lease of the killed machine runs out
def test_a_machine_that_is_killed_is_followed_by_another_with_the_same_bytes(machines, alone):
    killed = machines.start("a", "run", "shapes", "--method", "xmas", "--budget", "0.2")
    until = time.monotonic() + 120
    while not list(machines.root("a").glob("work/proxy_checkpoints/*/*/run/checkpoint-*")) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not list(machines.root("a").glob("tables/attention_trajectories/*"))
    for method, budget in RUNS:
        code, _, err = machines.run("b", "run", "shapes", "--method", method, "--budget", budget)
        assert code == 0, err
    assert results(machines.root("b")) == alone
