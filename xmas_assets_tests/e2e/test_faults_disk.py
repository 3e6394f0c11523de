"""Full and read-only disks."""

import ctypes
import os
import resource
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import register, row, table_bytes, write_dataset, xmas

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


# 90 disk full, 91 read-only home


@contextmanager
def files_no_larger_than(n_bytes: int):
    """What a full disk does to large files alone: the small ones of Dagster still fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.slow
def test_a_full_disk_while_tables_are_written_leaves_the_old_tables_and_then_goes_on(tmp_path):
    home, noise = tmp_path / "home", np.random.default_rng(0).bytes(6_000_000).hex()
    words = write_dataset(tmp_path / "data", [row(0)])
    assert xmas(home, "dataset", "add", "ds", *words).code == 0
    assert xmas(home, "select", "ds", "--method", "random").code == 0
    before = table_bytes(home)
    larger = [row(number, image=False, question=noise[number * 3000 :][:3000]) for number in range(1, 4_000)]
    write_dataset(tmp_path / "data", [row(0), *larger])
    with files_no_larger_than(2_000_000):
        said = xmas(home, "select", "ds", "--method", "random")
    assert said.code == 1
    assert "earlier tables are intact: free some space" in said.err.splitlines()[-1]
    assert table_bytes(home) == before
    assert xmas(home, "select", "ds", "--method", "random").code == 0
    assert Home.open(home).stored("selected_subset", "ds|random_b0.10_s0")["subset"].n_rows == 400


def without_right_to_pass_permissions() -> None:
    """Root goes past permissions; a child started without this capability does not (for others it changes nothing)."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.mark.parametrize("words", [("run", "shapes", "--method", "xmas"), ("dataset", "remove", "shapes", "--yes")])
def test_a_read_only_home_is_refused_before_any_work(tmp_path, words):
    register(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    tmp_path.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "xmas_assets", *words],
            env=os.environ | {"XMAS_HOME": str(tmp_path)},
            preexec_fn=without_right_to_pass_permissions,
            capture_output=True,
            text=True,
        )
    finally:
        tmp_path.chmod(0o755)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"xmas: {tmp_path} is read-only; set XMAS_HOME to a folder you can write\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_home_below_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    said = xmas(tmp_path / "file" / "home", "dataset", "list")
    assert said.code == 2
    assert (
        said.err
        == f"xmas: {tmp_path}/file/home cannot be made (Not a directory); set XMAS_HOME to a folder you can write\n"
    )


def test_a_stage_whose_tables_cannot_be_written_is_refused_before_its_work(tmp_path):
    home = Home.open(tmp_path)
    (home.path("tables") / "clusters").touch()
    with pytest.raises(Exception, match="cannot be made"), home.stage("clusters", "ds", key="k"):
        raise AssertionError("the work began")
