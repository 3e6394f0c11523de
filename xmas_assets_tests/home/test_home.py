"""The home: folders, locks of stages, costs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.usage import Usage, count_earlier
from xmas_assets.data.registration import Registration
from xmas_assets.files.whole import UNFINISHED
from xmas_assets.home.home import Home
from xmas_assets.home.locks import is_free
from xmas_assets_tests.data.making import record, write

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
    "ratings/b/anna.parquet",
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


def seconds_of(home: Home, partition: str, *stages: str) -> float | None:
    """CPU seconds."""
    usage = home.costs.of(partition, *stages)
    return usage and usage.cpu_seconds


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


def test_a_stage_held_by_another_process_is_waited_for_and_other_partitions_are_not(home, holder, caplog):
    with home.stage("clusters", "ds|a c", "k"):
        pass
    home.locks.release("clusters", "ds|a c")
    assert caplog.messages == []
    Timer(0.3, holder.kill).start()
    with home.stage("clusters", "ds|a b", "k"):
        assert holder.wait(timeout=5) == -signal.SIGKILL
    home.locks.release("clusters", "ds|a b")
    assert caplog.messages == ["clusters of ds|a b is being made by another run; waiting for it"]


def test_the_lock_of_a_killed_process_is_free(home, holder):
    holder.kill()
    holder.wait()
    with home.stage("clusters", "ds|a b", "k"):
        pass
    home.locks.release("clusters", "ds|a b")


def test_a_stage_stays_locked_until_it_is_released_and_a_failed_one_does_not(home):
    lock = home.path("locks") / "clusters__ds%7Ca%20b.lock"
    with home.stage("clusters", "ds|a b", "k"):
        pass
    assert not is_free(lock)
    home.locks.release("clusters", "ds|a b")
    assert is_free(lock)
    with pytest.raises(RuntimeError), home.stage("clusters", "ds|a b", "k"):
        raise RuntimeError
    assert is_free(lock)


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
        return seconds_of(home, "ds", "clusters")

    assert seconds_of(home, "ds", "clusters") is None
    first = cost("k", 0.2)
    assert 0.2 <= first < 0.5
    assert cost("k", 0) == first
    assert cost("changed", 0.01) < 0.2


def test_work_that_made_several_stages_counts_once_and_each_stage_alone_by_its_share(home):
    with home.stages({"features": 0.5, "attention_maps": 1.0}, "ds", "pass"):
        burn(0.2)
    home.locks.release("features", "ds")
    home.locks.release("attention_maps", "ds")
    whole = seconds_of(home, "ds", "attention_maps")
    assert seconds_of(home, "ds", "features") == pytest.approx(whole / 2)
    assert seconds_of(home, "ds", "features", "attention_maps") == whole
    home.costs.note("clusters", "ds", "other work", Usage(3.0))
    assert seconds_of(home, "ds", "features", "attention_maps", "clusters", "never made") == whole + 3


def test_what_earlier_runs_did_of_a_stage_counts_as_it_cost_then(home):
    with home.stage("clusters", "ds", "k"):
        count_earlier(Usage(100.0, 50.0, 40.0))
    home.locks.release("clusters", "ds")
    found = home.costs.of("ds", "clusters")
    assert found is not None and found.device == "gpu"
    assert (found.cpu_seconds, found.wall_seconds, found.gpu_seconds) == pytest.approx((100, 50, 40), abs=2)


def test_a_stage_of_this_process_has_seconds_on_the_clock_and_no_gpu(home):
    with home.stage("clusters", "ds", "k"):
        time.sleep(0.1)
    home.locks.release("clusters", "ds")
    found = home.costs.of("ds", "clusters")
    assert found is not None and found.wall_seconds is not None
    assert (found.device, found.wall_seconds >= 0.1) == ("cpu", True)


def test_a_note_of_an_earlier_version_is_read_and_a_damaged_one_is_one_line_until_it_is_replaced(home):
    path = home.path("costs", "clusters") / "ds.json"
    path.write_text('{"key": "k", "cpu_seconds": 7.5}')
    assert home.costs.of("ds", "clusters") == Usage(7.5, None, None)
    for damaged in ("", '{"key": "k", "cpu_sec', "[]", '{"key": "k", "cpu_seconds": null}', '{"cpu_seconds": 1}'):
        path.write_text(damaged)
        with pytest.raises(StoreError, match=r"ds\.json is damaged, .*; delete it, and it counts as not measured$"):
            home.costs.of("ds", "clusters")
    home.costs.note("clusters", "ds", "k", Usage(1.0))
    assert home.costs.of("ds", "clusters") == Usage(1.0)


def test_several_stages_are_held_together_or_not_at_all(home, holder):
    """``clusters`` is held elsewhere; when the wait for it is stopped, ``alone``, which came before, is not kept."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    shares = {"alone": 1.0, "clusters": 1.0}
    with pytest.raises(KeyboardInterrupt), home.stages(shares, "ds|a b", "k"):
        raise AssertionError("two at once")
    signal.signal(signal.SIGALRM, before)
    assert is_free(home.path("locks") / "alone__ds%7Ca%20b.lock")


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


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"nomethod": {"x": 1}}, "method 'nomethod' is not known; use one of xmas, "),
        ({"coincide": {"temprature": 1}}, "parameter temprature of method 'coincide': .*parameters: n_clusters, "),
        ({"coincide": {"temperature": float("inf")}}, "methods.parameters.coincide.temperature.*finite"),
        ({"coincide": {"max_iterations": 10**5000}}, "parameter max_iterations of method 'coincide': .*less than"),
    ],
)
def test_methods_and_parameters_that_no_run_can_use_are_refused_when_registered(
    tmp_path: Path, parameters: dict[str, Any], said: str
):
    source = write(tmp_path, [record()])
    home = Home.open(tmp_path / "home")
    registration = Registration.create("pets", [source], overrides={"methods": {"parameters": parameters}})
    with pytest.raises(SettingsError, match=said) as caught:
        home.register(registration)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800
    assert not Registration.path(home.root, "pets").exists()


def test_parameters_of_a_method_that_are_allowed_are_registered_and_read(tmp_path: Path):
    home = Home.open(tmp_path / "home")
    overrides = {"methods": {"parameters": {"semdedup": {"epsilons": [0.1, 0.2]}}}}
    home.register(Registration.create("pets", [write(tmp_path, [record()])], overrides=overrides))
    assert home.settings("pets").methods.parameters == {"semdedup": {"epsilons": [0.1, 0.2]}}
