"""The built wheel in a fresh environment, outside the checkout: all data inside, and a dataset to its leaderboard."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from xmas_assets import __version__
from xmas_assets_tests.e2e.platforms import QUICK, row, write_dataset

ROOT = Path(__file__).parent.parent
NOT_SHIPPED = {".pyc"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of what git tracks, so that nothing of an earlier build gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            target.symlink_to((ROOT / name).readlink())
        elif (ROOT / name).exists():
            target.write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w"]
    subprocess.run([*build, str(folder), str(folder / "source")], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory) -> Path:
    """The ``xmas`` of a fresh environment that has the wheel; the libraries are those of this one, so no network."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "lib" / version / "site-packages" / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, env=_environment())
    return folder / "bin" / "xmas"


def _environment(**more: str) -> dict[str, str]:
    """Ours without what leads back to the checkout."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "XMAS_HOME"}} | more


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "xmas_assets"
    files = {path.relative_to(ROOT).as_posix() for path in package.rglob("*") if path.is_file()}
    files |= {f"xmas_assets/sql/{path.relative_to(ROOT / 'sql')}" for path in (ROOT / "sql").rglob("*.sql")}
    assert {name for name in files if Path(name).suffix not in NOT_SHIPPED} - inside == set()
    assert not [name for name in inside if name.startswith("xmas_assets_tests")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dataset_comes_to_its_leaderboard_outside_the_checkout(command, tmp_path):
    answers = ["noise", "a circle", "two"]
    rows = [row(number, answer=answers[number % 3]) for number in range(40)]
    test = [row(number, answer=answers[number % 3]) for number in range(100, 112)]
    words = write_dataset(tmp_path / "mine", rows, test)
    environment = _environment(XMAS_HOME=str(tmp_path / "home"), OMP_NUM_THREADS="1")

    def xmas(*said: str) -> str:
        done = subprocess.run([command, *said], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"xmas {' '.join(said)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    origin = [command.parent / "python", "-c", "import xmas_assets; print(xmas_assets.__file__)"]
    found = subprocess.run(origin, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(command.parents[1])
    assert xmas("--version") == f"xmas-assets {__version__}\n"
    xmas("dataset", "add", "mine", *words)
    registration = tmp_path / "home" / "datasets" / "mine.yaml"
    registration.write_text(registration.read_text().replace("overrides: {}", f"overrides: {json.dumps(QUICK)}"))
    xmas("run", "mine", "--method", "xmas", "--method", "random", "--method", "full", "--budget", "0.5")
    shown = xmas("leaderboard", "mine")
    assert all(name in shown for name in ("xmas", "random", "full", "majority"))
    assert "cluster" in xmas("sql", "SELECT count(*) AS clusters FROM clusters.centroids")
