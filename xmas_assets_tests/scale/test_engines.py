import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from xmas_assets.contracts.errors import ModelError, StoreError
from xmas_assets.contracts.progress import Progress
from xmas_assets.contracts.usage import metered
from xmas_assets.scale.engines import SERIAL, Engine, PartDoneError, PartEngine, Remade, have_made
from xmas_assets.scale.processes import ProcessEngine
from xmas_assets.scale.running import run_shards
from xmas_assets.scale.shards import ItemCounter, Shard, join_shards, open_shards
from xmas_assets_tests.scale.numbers import SHARDS, Numbers, contents, events

BOTH = ProcessEngine(n_workers=2, deadline_seconds=60, max_deaths=3)


def make(folder: Path, engine: Engine, mishap: str = "", **options: float) -> tuple[str, ...]:
    """Have the shards made that are not there; gives the notices."""
    folder.mkdir(exist_ok=True)
    lacking = [shard for shard in SHARDS if not (folder / shard.file_name).exists()]
    return have_made(Numbers(folder, mishap, **options), lacking, engine=engine, counter=ItemCounter(len(SHARDS)))


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("serial")
    make(folder, SERIAL)
    return contents(folder)


def workers_of(pid: int) -> list[psutil.Process]:
    """The processes below this one that were spawned to work; others may be there of other tests."""
    below = psutil.Process(pid).children(recursive=True)
    return [process for process in below if "spawn_main" in " ".join(process.cmdline())]


def test_processes_make_the_bytes_of_a_serial_run_each_shard_once_and_leave_no_process(tmp_path: Path, serial):
    assert make(tmp_path, BOTH) == ("shard 0", "shard 1")
    assert contents(tmp_path) == serial
    made = [int(event[2]) for event in events(tmp_path) if event[1] == "made"]
    assert sorted(made) == [shard.index for shard in SHARDS]
    assert len({event[0] for event in events(tmp_path) if event[1] == "ready"}) == 2
    assert not workers_of(os.getpid())


def test_the_shard_of_a_killed_worker_is_made_by_another(tmp_path: Path, serial, caplog):
    make(tmp_path, BOTH, "killed")
    assert contents(tmp_path) == serial
    assert [event[2] for event in events(tmp_path) if event[1] == "begin"].count("4") == 2
    assert "the worker at shard 4 is gone" in caplog.text
    assert "code -9" in caplog.text


def test_a_frozen_worker_is_killed_at_the_deadline_and_its_shard_made_by_another(tmp_path: Path, serial, caplog):
    make(tmp_path, ProcessEngine(n_workers=2, deadline_seconds=8, max_deaths=3), "frozen")
    assert contents(tmp_path) == serial
    assert "no answer for 8 s (workers.deadline_seconds)" in caplog.text
    assert not workers_of(os.getpid())


def test_workers_that_always_die_end_the_work_and_what_is_made_is_kept(tmp_path: Path, serial):
    with pytest.raises(
        StoreError, match=r"^3 workers ended without making a shard, the last at shard 4 \(process .*-9"
    ):
        make(tmp_path, ProcessEngine(n_workers=1, deadline_seconds=60, max_deaths=3), "mortal")
    assert sorted(path.name for path in tmp_path.glob("shard-*")) == [SHARDS[n].file_name for n in range(4)]
    make(tmp_path, SERIAL)
    assert contents(tmp_path) == serial


@pytest.mark.parametrize(
    ("mishap", "error", "message"),
    [
        ("refused", ModelError, "^the model is no model; take another$"),
        ("bug", RuntimeError, "^shard 4 failed in a worker: KeyError: 'nobody thought of this'$"),
    ],
)
def test_an_error_of_the_work_comes_back_as_it_is_and_is_not_tried_again(tmp_path: Path, mishap, error, message):
    with pytest.raises(error, match=message):
        make(tmp_path, BOTH, mishap)
    assert [event[2] for event in events(tmp_path) if event[1] == "begin"].count("4") == 1
    assert not workers_of(os.getpid())


DRIVER = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from xmas_assets_tests.scale.test_engines import BOTH, make
if __name__ == "__main__":
    make(Path(sys.argv[1]), BOTH, seconds=1.0)
"""


def test_workers_end_with_a_killed_driver_and_a_rerun_gives_the_same_bytes(tmp_path: Path, serial):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    folder = tmp_path / "shards"
    driver = subprocess.Popen([sys.executable, str(script), str(folder)])
    deadline = time.monotonic() + 120
    while not list(folder.glob("shard-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = workers_of(driver.pid)
    assert len(workers) == 2
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert 0 < len(list(folder.glob("shard-*"))) < len(SHARDS)
    make(folder, BOTH)
    assert contents(folder) == serial


def test_ctrl_c_ends_workers_without_a_word_of_theirs(tmp_path: Path):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    command = [sys.executable, str(script), str(tmp_path / "shards")]
    driver = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "shards").glob("shard-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = workers_of(driver.pid)
    os.killpg(driver.pid, signal.SIGINT)
    said = driver.communicate(timeout=30)[1]
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert len(workers) == 2
    assert said.count("Traceback") == 1  # the driver's own: it is a plain script
    assert "SpawnProcess" not in said


def test_what_workers_used_is_counted_here_and_next_to_the_work(tmp_path: Path):
    with metered() as meter:
        make(tmp_path, BOTH, seconds=0.05)
    assert meter.earlier.cpu_seconds > 0
    assert meter.earlier.wall_seconds == 0
    with metered() as found:
        run_shards(tmp_path, [], lambda *_: None, key="")
    assert found.earlier.cpu_seconds == 0  # other work


def test_progress_counts_the_items_of_shards_made_elsewhere(tmp_path: Path):
    reports: list[Progress] = []
    tmp_path.mkdir(exist_ok=True)
    counter = ItemCounter(len(SHARDS), reports.append)
    have_made(Numbers(tmp_path), SHARDS, engine=BOTH, counter=counter)
    assert [report.done for report in reports] == list(range(1, 13))


def test_parts_make_every_nth_shard_and_together_all_in_any_order(tmp_path: Path, serial):
    with pytest.raises(PartDoneError, match=r"^part 2/3 is done: 4 shards made now, 8 of other parts were not there"):
        make(tmp_path, PartEngine(2, 3))
    assert [int(event[2]) for event in events(tmp_path) if event[1] == "made"] == [2, 5, 8, 11]
    with pytest.raises(PartDoneError):
        make(tmp_path, PartEngine(0, 3))
    make(tmp_path, PartEngine(1, 3))
    assert contents(tmp_path) == serial


def write(shard: Shard, path: Path, _) -> None:
    path.write_text(str(shard.index))


def test_parts_remove_nothing_of_each_other_and_refuse_shards_of_other_inputs(tmp_path: Path):
    with pytest.raises(PartDoneError):
        run_shards(tmp_path, SHARDS, write, key="a", engine=PartEngine(0, 2))
    (tmp_path / ".shard-00000001.unfinished").write_text("half of another part's")
    join_shards(tmp_path, SHARDS, key="a")
    assert (tmp_path / ".shard-00000001.unfinished").exists()
    with pytest.raises(StoreError, match="holds shards of other inputs or of another version"):
        run_shards(tmp_path, SHARDS, write, key="b", engine=PartEngine(1, 2))
    assert len(list(tmp_path.glob("shard-*"))) == 6
    run_shards(tmp_path, SHARDS, write, key="a", engine=PartEngine(1, 2))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("shard-*")}
    open_shards(tmp_path, SHARDS, key="a")
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("shard-*")} == before
    assert len(before) == 12


def test_what_a_process_makes_for_itself_is_made_once_and_anew_where_it_is_unpickled():
    made = Remade(time.monotonic_ns)
    assert made() == made()
    assert pickle.loads(pickle.dumps(made))() > made()  # noqa: S301
