"""What a machine does to a run: a disk that is really full, few files, a cleared folder, another time zone."""

import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from xmas_assets.files.whole import UNFINISHED
from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import register
from xmas_assets_tests.e2e.test_kill import artefacts

pytestmark = pytest.mark.timeout(900)
RUN = [sys.executable, "-m", "xmas_assets", "run", "shapes", "--method", "random", "--method", "full"]
RUN += ["--budget", "0.2", "--workers", "2"]


def run(home: Path, *before: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XMAS_HOME": str(home), "OMP_NUM_THREADS": "1"} | variables
    return subprocess.run([*before, *RUN], env=environment, capture_output=True, text=True)


def assert_as_undisturbed(home: Path, built: Path) -> None:
    ours, theirs = artefacts(home), artefacts(built)
    assert len(ours) > 10 and {path: theirs[path] for path in ours} == ours
    assert Home.open(home).stored("leaderboard", "shapes")["leaderboard"].n_rows > 0


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 64 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def free(disk: Path, n_bytes: int) -> None:
    """Leave so many bytes on the disk."""
    used = shutil.disk_usage(disk).used
    subprocess.run(["mount", "-o", f"remount,size={(used + n_bytes) // 1024}k", disk], check=True)


@pytest.mark.slow
def test_a_run_on_a_disk_that_is_full_says_so_and_goes_on_to_the_same_bytes_once_there_is_room(disk, built):
    home = disk / "home"
    register(home)
    for n_bytes in (300_000, 2_000_000, 6_000_000):
        free(disk, n_bytes)
        stopped = run(home)
        said = stopped.stderr.splitlines()[-1]
        assert stopped.returncode in (1, 2) and "Traceback" not in stopped.stderr, stopped.stderr
        assert said.startswith("xmas: ") and ("full" in said or "No space left" in said), stopped.stderr
    free(disk, 64_000_000)
    done = run(home)
    assert done.returncode == 0, done.stderr
    assert_as_undisturbed(home, built)
    assert [path for path in home.rglob(f"*{UNFINISHED}") if path.parent.name != "outbox"] == []


@pytest.fixture
def cleared(tmp_path) -> Iterator[Path]:
    """A temporary folder that somebody clears again and again."""
    folder, done = tmp_path / "temporary", threading.Event()
    folder.mkdir()

    def clear() -> None:
        while not done.wait(0.05):
            for path in folder.iterdir():
                shutil.rmtree(path, ignore_errors=True)

    thread = threading.Thread(target=clear)
    thread.start()
    yield folder
    done.set()
    thread.join()


@pytest.mark.slow
def test_few_open_files_a_cleared_temporary_folder_and_another_time_zone_change_no_byte(tmp_path, built, cleared):
    home = tmp_path / "home"
    register(home)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        done = run(home, TMPDIR=str(cleared), TZ="Pacific/Apia")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert done.returncode == 0, done.stderr
    assert_as_undisturbed(home, built)


@pytest.mark.slow
def test_a_run_shares_no_memory_between_processes(tmp_path, built):
    """So /dev/shm may be as small as a container's 64 MB: here it has 64 KB."""
    small = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"', "sh"]
    if subprocess.run([*small, "true"], capture_output=True).returncode:
        pytest.skip("/dev/shm can be replaced by root only")
    register(tmp_path)
    done = run(tmp_path, *small)
    assert done.returncode == 0, done.stderr
    assert_as_undisturbed(tmp_path, built)
