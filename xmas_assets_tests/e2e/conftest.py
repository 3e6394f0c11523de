"""One home that was run from end to end, made once for all end-to-end tests (also over several test processes)."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets_tests.e2e.platforms import BUILT, open_platform, register


@pytest.fixture(autouse=True, scope="module")
def dagster_home():
    """Keep the variable that opening an instance sets from the tests that follow."""
    before = os.environ.get("DAGSTER_HOME")
    yield
    os.environ.pop("DAGSTER_HOME", None)
    if before is not None:
        os.environ["DAGSTER_HOME"] = before


@pytest.fixture(scope="session")
def built(tmp_path_factory, worker_id) -> Path:
    """A home with dataset ``shapes`` and the selections ``BUILT``; read it, or change a copy (``copied``)."""
    temporary = tmp_path_factory.getbasetemp()
    home = (temporary if worker_id == "master" else temporary.parent) / "built"
    with FileLock(f"{home}.lock"):
        if not (home / "complete").exists():
            register(home)
            run_selections(open_platform(home), "shapes", BUILT, say=lambda line: None)
            (home / "complete").touch()
    return home


@pytest.fixture(scope="module")
def copied(built, tmp_path_factory) -> Path:
    """A copy of ``built`` for one test file; its dataset's files are those of ``built``."""
    return shutil.copytree(built, tmp_path_factory.mktemp("copy") / "home")
