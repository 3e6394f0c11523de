"""The home: folders, locks of stages, costs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.whole import UNFINISHED
from xmas_assets.home.home import Home

HOLD = """
import sys
from xmas_assets.home.home import Home
with Home.open(sys.argv[1]).stage("clusters", "ds|a b", "k"):
    print("held", flush=True)
    sys.stdin.read()
"""
WRITE = """
import sys
from pathlib import Path
from xmas_assets.files.whole import replacing
with replacing(Path(sys.argv[1])) as unfinished:
    unfinished.write_text("half")
    print(unfinished, flush=True)
    sys.stdin.read()
"""
NOTES = (
    "ui.json",
    "datasets/a.yaml",
    "benchmarks/b.yaml",
    "dagster/latest_events.json",
    "mlflow/outbox/0_run.json",
    "costs/clusters/a.json",
    "reports/a/report.html",
)


@pytest.fixture
def home(tmp_path):
    return Home.open(tmp_path)


@pytest.fixture
def holder(tmp_path):
    """Another process in the middle of a stage."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def burn(seconds: float) -> None:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        sum(range(1000))


def test_the_root_is_the_field_then_the_environment_then_dot_xmas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XMAS_HOME", raising=False)
    assert Home.open().path() == tmp_path / ".xmas"
    monkeypatch.setenv("XMAS_HOME", "elsewhere")
    assert Home.open().path("a", "b") == tmp_path / "elsewhere" / "a" / "b"
    assert Home.open(tmp_path / "field").path() == tmp_path / "field"


def test_a_stage_held_by_another_process_is_refused_and_other_partitions_are_not(home, holder):
    with (
        pytest.raises(StoreError, match=r"clusters of ds\|a b is being made by another run; wait for it to end"),
        home.stage("clusters", "ds|a b", "k"),
    ):
        raise AssertionError("two at once")
    with home.stage("clusters", "ds|a c", "k"):
        pass
    home.locks.release("clusters", "ds|a c")


def test_the_lock_of_a_killed_process_is_free(home, holder):
    holder.kill()
    holder.wait()
    with home.stage("clusters", "ds|a b", "k"):
        pass
    home.locks.release("clusters", "ds|a b")


def test_a_stage_stays_locked_until_it_is_released_and_a_failed_one_does_not(home, tmp_path):
    def is_free() -> bool:
        done = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], input="", capture_output=True, text=True)
        return done.stdout == "held\n"

    with home.stage("clusters", "ds|a b", "k"):
        pass
    assert not is_free()
    home.locks.release("clusters", "ds|a b")
    assert is_free()
    with pytest.raises(RuntimeError), home.stage("clusters", "ds|a b", "k"):
        raise RuntimeError
    assert is_free()


def test_the_same_process_may_make_a_stage_again_after_it_failed_to_store_it(home):
    for _ in range(2):
        with home.stage("clusters", "ds", "k"):
            pass
    home.locks.release("clusters", "ds")


def test_the_work_of_one_partition_and_key_has_a_folder_of_its_own(home):
    with home.stage("clusters", "ds|x/../y", "first") as first:
        (first / "half").touch()
    with home.stage("clusters", "ds|x/../y", "other") as other:
        assert list(other.iterdir()) == []
    with home.stage("clusters", "ds|x/../y", "first") as again:
        assert [path.name for path in again.iterdir()] == ["half"]
    home.locks.release("clusters", "ds|x/../y")
    assert first.parents[2] == home.path("work")


def test_a_rerun_that_finds_the_work_done_keeps_its_cost_and_new_work_has_its_own(home):
    def cost(key: str, seconds: float) -> float:
        with home.stage("clusters", "ds", key):
            burn(seconds)
        home.locks.release("clusters", "ds")
        return home.costs.cpu_seconds("ds", "clusters")

    assert home.costs.cpu_seconds("ds", "clusters") is None
    first = cost("k", 0.2)
    assert 0.2 <= first < 0.5
    assert cost("k", 0) == first
    assert cost("changed", 0.01) < 0.2


def test_work_that_made_several_stages_counts_once_and_each_stage_alone_by_its_share(home):
    with home.stages({"features": 0.5, "attention_maps": 1.0}, "ds", "pass"):
        burn(0.2)
    home.locks.release("features", "ds")
    home.locks.release("attention_maps", "ds")
    whole = home.costs.cpu_seconds("ds", "attention_maps")
    assert home.costs.cpu_seconds("ds", "features") == pytest.approx(whole / 2)
    assert home.costs.cpu_seconds("ds", "features", "attention_maps") == whole
    home.costs.note("clusters", "ds", "other work", 3.0)
    assert home.costs.cpu_seconds("ds", "features", "attention_maps", "clusters", "never made") == whole + 3


def test_several_stages_are_held_together_or_not_at_all(home, holder):
    """``clusters`` is held elsewhere, so ``alone``, which comes before it, is not kept either."""
    shares = {"alone": 1.0, "clusters": 1.0}
    with pytest.raises(StoreError, match="clusters of ds"), home.stages(shares, "ds|a b", "k"):
        raise AssertionError("two at once")
    done = subprocess.run(
        [sys.executable, "-c", HOLD.replace("clusters", "alone"), str(home.path())],
        input="",
        capture_output=True,
        text=True,
    )
    assert done.stdout == "held\n"


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^.*/file/home cannot be made \(Not a directory\); set XMAS_HOME to"):
        Home.open(tmp_path / "file" / "home").path()
    with pytest.raises(StoreError, match=r"holds '\?' or '%'"):
        Home.open(tmp_path / "50%").path()
    assert not Path(tmp_path / "50%").exists()


@pytest.mark.parametrize("note", NOTES)
def test_what_a_killed_writer_left_goes_after_a_day_and_what_is_being_written_stays(tmp_path, note):
    command = [sys.executable, "-c", WRITE, str(tmp_path / note)]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    left, written = (Path(writer.stdout.readline().strip()) for writer in writers if writer.stdout)
    writers[0].kill()  # SIGKILL
    writers[0].communicate()
    Home.open(tmp_path)
    assert left.exists() and written.exists()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(left, (two_days_ago, two_days_ago))
    Home.open(tmp_path)
    assert not left.exists() and written.exists()
    writers[1].communicate()
    assert [path.name for path in (tmp_path / note).parent.iterdir()] == [Path(note).name]


def test_an_old_leftover_that_may_not_be_removed_does_not_stop_anyone(tmp_path):
    left = tmp_path / f".ui.json.0{UNFINISHED}"
    left.mkdir()  # as unlink refuses it to any user
    os.utime(left, (0, 0))
    Home.open(tmp_path)
    assert left.exists()
