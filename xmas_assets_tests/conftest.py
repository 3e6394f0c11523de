"""What makes the suite faster and independent of who starts it, and what several folders of tests ask."""

import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import Engine, event

#: Loads a directory where our package cannot be imported, so it is run and not imported.
PLAIN = Path(__file__).parent / "families" / "plain.py"

# Before torch is loaded, here and in every program that is started: small models gain nothing by threads, and those of
# several workers wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Hundreds of programs are started, and each would compile the whole package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# What is imported while tests are collected stays: nothing of it is garbage.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage from here on."""
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _imported_is_not_searched_for_garbage() -> None:
    """Each small training collects garbage: half of its time would go into all the objects that libraries hold."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let libraries free what they hold, or they report it as lost."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _databases_do_not_wait_for_the_disk() -> Iterator[None]:
    """Dagster and MLflow commit hundreds of times in a run. To wait for the disk helps only where power may fail."""

    def relax(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            with suppress(sqlite3.Error):  # a damaged or locked database is to fail where it is used
                connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", relax)
    yield
    event.remove(Engine, "connect", relax)


@pytest.fixture(scope="session")
def _tables_of_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as MLflow makes it, once it has made one."""
    return tmp_path_factory.mktemp("mlflow") / "empty.db"


@pytest.fixture(scope="module", autouse=True)
def _mlflow_makes_its_tables_once(_tables_of_mlflow: Path) -> Iterator[None]:
    """A new store takes MLflow three seconds of migrations; those after the first of this process are copies of it."""
    if "mlflow" not in sys.modules:
        yield
        return
    from mlflow.store.db import utils

    make = utils._initialize_tables

    def make_or_copy(engine: Engine) -> None:
        file = engine.url.database
        if engine.dialect.name != "sqlite" or not file:
            make(engine)
        elif _tables_of_mlflow.exists():
            _copy_store(_tables_of_mlflow, Path(file))
        else:
            make(engine)
            _copy_store(Path(file), _tables_of_mlflow)

    with mock.patch.object(utils, "_initialize_tables", make_or_copy):
        yield


def _copy_store(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(target)) as copy:
        whole.backup(copy)


@pytest.fixture(scope="session", autouse=True)
def _programs_can_be_interrupted() -> None:
    """A script that starts the suite in the background makes it, and all that it starts, ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def plainly() -> Iterator[Callable[..., dict[str, Any]]]:
    """What a saved model says in a process that cannot import our package."""
    command = [sys.executable, "-I", PLAIN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None

        def ask(**job: str | None) -> dict[str, Any]:
            print(json.dumps(job), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()
