"""One home that was run from end to end, made once for all end-to-end tests (also over several test processes)."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets_tests.e2e.platforms import BUILT, RECORDS, open_platform, register, row, write_dataset, xmas


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


@pytest.fixture(scope="module")
def own_once(tmp_path_factory):
    """A home with ``RECORDS`` as dataset ``own``, all selected and half of them."""
    folder = tmp_path_factory.mktemp("own")
    words = write_dataset(folder / "data", [row(0) | {"image": "a.png"}, row(1) | {"image": "b.png"}])
    (folder / "data" / "train.json").write_text("[" + " ,\n\n".join(RECORDS) + "]", encoding="utf-8")
    assert xmas(folder / "home", "dataset", "add", "own", *words).code == 0
    words = ("--method", "full", "--method", "random", "--budget", "0.5")
    assert xmas(folder / "home", "select", "own", *words).code == 0
    return folder


@pytest.fixture
def own(own_once, tmp_path):
    """The home of a copy of it, with data of its own."""
    shutil.copytree(own_once, tmp_path, dirs_exist_ok=True)
    registration = tmp_path / "home" / "datasets" / "own.yaml"
    registration.write_text(registration.read_text().replace(str(own_once), str(tmp_path)))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def platform(copied):
    return open_platform(copied)
