"""The toy pipeline with Dagster's and MLflow's records on a real PostgreSQL: four commands at once, and one killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xmas_assets_tests.browser.served import wait_for
from xmas_assets_tests.e2e.platforms import QUICK, register
from xmas_assets_tests.postgres.commands import start
from xmas_assets_tests.postgres.server import PASSWORD, Server, use

SMALL = QUICK | {"target": QUICK["target"] | {"epochs": 1}, "benchmark": {"max_questions": 12, "threads": 1}}
SELECTED = {"random_b0.50_s0", "length_b0.50_s0", "full_b1.00_s0", "random_b0.25_s0"}


class World:
    """A home whose records are in PostgreSQL, and all that its commands said."""

    def __init__(self, home: Path, server: Server, name: str) -> None:
        self.home, self.server, self.name = home, server, name
        self.variables = use(home, server, name) | {"XMAS_HOME": str(home), "OMP_NUM_THREADS": "1"}
        self.log = home.parent / "said.txt"
        self.log.touch()

    def statuses(self) -> list[str]:
        """The statuses of Dagster's runs, as the database has them."""
        return [status for (status,) in self.server.ask(f"{self.name}_dagster", "SELECT status FROM runs ORDER BY id")]

    def mlflow_runs(self, like: str) -> set[str]:
        """Names of the finished MLflow runs, as the database has them."""
        query = f"SELECT name FROM runs WHERE status = 'FINISHED' AND name LIKE '{like}'"
        return {name for (name,) in self.server.ask(f"{self.name}_mlflow", query)}

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """All that was said and is stored, by where: outputs, files of the home, both databases."""
        yield "outputs", self.log.read_bytes()
        for path in self.home.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()
        for kind in ("dagster", "mlflow"):
            yield kind, self.server.dump(f"{self.name}_{kind}")


@pytest.fixture(scope="module")
def world(postgres, tmp_path_factory) -> World:
    world = World(tmp_path_factory.mktemp("pg") / "home", postgres, "small")
    register(world.home, n_train=96, overrides=SMALL)
    return world


def words(command: str, method: str, budget: str) -> tuple[str, ...]:
    return (command, "shapes", "--method", method, "--budget", budget)


@pytest.mark.slow  # 150 CPU seconds with the database's own
@pytest.mark.timeout(600)
def test_four_commands_at_once_end_well_and_one_that_is_killed_goes_on(world):
    together = [words("run", "random", "0.5"), words("select", "length", "0.5"), words("select", "full", "1.0")]
    processes = [start(each, world.variables, world.log) for each in (*together, words("select", "random", "0.25"))]
    for process in processes:
        process.join(200)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0], world.log.read_text()
    assert set(world.statuses()) == {"SUCCESS"}
    assert world.mlflow_runs("select %") == {f"select {key}" for key in SELECTED}
    assert world.mlflow_runs("train %") == {"train random_b0.50_s0"}
    made = (
        "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' AND asset_key LIKE '%{}%'"
    )
    assert world.server.ask("small_dagster", made.format("selected_subset")) == [(4,)]

    killed = start(words("run", "full", "1.0"), world.variables, world.log)
    wait_for(lambda: list(world.home.glob("work/target_model/*full*/*/run")), "a training", seconds=100)
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join(100)
    assert (killed.exitcode, world.statuses()[-1]) == (-signal.SIGKILL, "STARTED")
    again = start(words("run", "full", "1.0"), world.variables, world.log)
    again.join(200)
    assert again.exitcode == 0, world.log.read_text()
    assert sorted(set(world.statuses())) == ["FAILURE", "SUCCESS"] and world.statuses().count("FAILURE") == 1
    assert world.mlflow_runs("train %") == {"train random_b0.50_s0", "train full_b1.00_s0"}
    assert not list(world.home.glob("mlflow/outbox/[0-9]*")) and not (world.home / "mlflow" / "mlflow.db").exists()
    assert not list(world.home.glob("dagster/**/*.db"))
    assert [where for where, content in world.everything() if PASSWORD.encode() in content] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_four_whole_runs_at_once_with_kills_give_the_tables_of_runs_on_sqlite(postgres, tmp_path):
    ours, theirs = World(tmp_path / "ours" / "home", postgres, "whole"), tmp_path / "theirs"
    register(ours.home)
    register(theirs)
    runs = [
        words("run", "xmas", "0.2"),
        words("run", "random", "0.2"),
        words("run", "full", "1.0"),
        words("run", "length", "0.2"),
    ]
    patterns = ("work/proxy_checkpoints/**/state/checkpoint-*", "work/attention_trajectories/**/shard-00000003")
    for pattern in patterns:
        first = _command(ours.home, ours.variables, runs[0])
        wait_for(lambda pattern=pattern: list(ours.home.glob(pattern)), pattern, seconds=300)
        first.kill()
        first.communicate()
    together = [_command(ours.home, ours.variables, each) for each in runs]
    said = [process.communicate(timeout=900)[0] for process in together]
    assert [process.returncode for process in together] == [0, 0, 0, 0], said
    for each in runs:
        alone = _command(theirs, {}, each)
        assert alone.communicate(timeout=900)[0] and alone.returncode == 0
    assert set(ours.statuses()) == {"SUCCESS", "FAILURE"} and ours.statuses().count("FAILURE") == len(patterns)
    tables = [
        path.relative_to(theirs) for path in theirs.glob("tables/*/**/*.parquet") if "leaderboard" not in path.parts
    ]
    assert len(tables) > 20
    assert [path for path in tables if (ours.home / path).read_bytes() != (theirs / path).read_bytes()] == []


def _command(home: Path, variables: dict[str, str], words: tuple[str, ...]) -> "subprocess.Popen[str]":
    environment = os.environ | variables | {"XMAS_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "xmas_assets", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
