"""Whoever asks a target: the kept answers are those of one process."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from xmas_assets.home.home import Home
from xmas_assets.scale.engines import SERIAL, PartDoneError, PartEngine
from xmas_assets.scale.processes import ProcessEngine
from xmas_assets_tests.stages.asked import ask, build_target

PROCESSES = ProcessEngine(n_workers=2, deadline_seconds=300, max_deaths=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a target, and what one process kept of its answers, also to options."""
    made = tmp_path_factory.mktemp("asked")
    build_target(made / "target")
    for ranked in (False, True):
        ask(made / f"serial-{ranked}", made / "target", SERIAL, ranked=ranked)
    return made


def kept(home: Path) -> dict[str, bytes]:
    paths = (path for path in (home / "work" / "answers").rglob("*") if path.is_file() and path.name != "usage.json")
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("ranked", [False, True])
def test_processes_keep_the_answers_of_one_process(folder: Path, tmp_path: Path, ranked: bool):
    said = ask(tmp_path, folder / "target", PROCESSES, ranked=ranked)
    expected = kept(folder / f"serial-{ranked}")
    assert len({reply.text for (reply,) in said}) > 1
    assert len([name for name in expected if "/shard-" in name]) == 4
    assert kept(tmp_path) == expected


def test_parts_keep_the_answers_of_one_process_and_a_run_finds_them(folder: Path, tmp_path: Path):
    with pytest.raises(PartDoneError, match="part 1/2 is done: 2 shards made now, 2 of other parts"):
        ask(tmp_path, folder / "target", PartEngine(1, 2))
    of_others = ask(tmp_path, folder / "target", PartEngine(0, 2))
    assert kept(tmp_path) == kept(folder / "serial-False")
    stamps = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("shard-*"))]
    assert ask(tmp_path, folder / "target", SERIAL) == of_others
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("shard-*"))] == stamps
    assert not list(Home.open(tmp_path).locks.folder.glob("part__*"))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra 'ray')")
@pytest.mark.skipif(
    shutil.which("unshare") is None or os.geteuid() != 0,
    reason="Ray listens on all addresses, and only root can give it a network of its own here (unshare)",
)
def test_actors_of_ray_keep_the_answers_of_one_process(folder: Path):
    command = ["unshare", "--net", sys.executable, "-m", "xmas_assets_tests.stages.asked_by_ray", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert kept(folder / "ray") == kept(folder / "serial-False")
