import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xmas_assets.contracts.progress import Progress
from xmas_assets.contracts.usage import Usage, metered
from xmas_assets.files.whole import replacing
from xmas_assets.scale.engines import Advance
from xmas_assets.scale.running import run_shards
from xmas_assets.scale.shards import ItemCounter, Shard, shards_of_groups


def write_bounds(shard: Shard, path: Path, advance: Advance) -> None:
    path.write_text(f"{shard.start}-{shard.stop}")


def refuse(shard: Shard, path: Path, advance: Advance) -> None:
    raise AssertionError(f"shard {shard.index} was computed again, to {path}")


def tree(directory: Path) -> dict[str, bytes]:
    """Its files, without the note of what they took, which is of clocks."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "usage.json"}


def test_groups_are_cut_only_when_larger_than_a_shard():
    bounds = [(shard.start, shard.stop) for shard in shards_of_groups([2, 2, 1, 9, 1], 4)]
    assert bounds == [(0, 4), (4, 5), (5, 9), (9, 13), (13, 15)]


@pytest.mark.parametrize("sizes", [[], [0], [1], [4], [5], [0, 3, 0]])
def test_shards_cover_everything_in_order(sizes: list[int]):
    shards = shards_of_groups(sizes, 4)
    assert [i for shard in shards for i in range(shard.start, shard.stop)] == list(range(sum(sizes)))
    assert all(1 <= shard.stop - shard.start <= 4 for shard in shards)
    assert [shard.index for shard in shards] == list(range(len(shards)))


def test_shards_are_written_in_order_and_named_sortably(tmp_path: Path):
    paths = run_shards(tmp_path / "new", shards_of_groups([1] * 12, 1), write_bounds, key="a")
    assert [path.read_text() for path in paths] == [f"{i}-{i + 1}" for i in range(12)]
    assert paths == sorted(paths)


def test_finished_shards_are_kept(tmp_path: Path):
    shards = shards_of_groups([1] * 3, 1)
    first = run_shards(tmp_path, shards, write_bounds, key="a")
    assert run_shards(tmp_path, shards, refuse, key="a") == first


@pytest.mark.parametrize("content", [b"", b"1-", b"1-3", b"another shard"])
def test_a_kept_shard_that_is_damaged_is_named_and_made_again_alone(tmp_path: Path, caplog, content: bytes):
    shards = shards_of_groups([1] * 3, 1)
    paths = run_shards(tmp_path, shards, write_bounds, key="a")
    whole = tree(tmp_path)
    paths[1].write_bytes(content)
    made = []

    def note(shard: Shard, path: Path, advance: Advance) -> None:
        made.append(shard.index)
        write_bounds(shard, path, advance)

    run_shards(tmp_path, shards, note, key="a")
    assert made == [1]
    assert f"{paths[1]} is damaged" in caplog.text
    assert tree(tmp_path) == whole


def test_shards_that_an_earlier_version_left_without_a_hash_are_kept(tmp_path: Path):
    shards = shards_of_groups([1] * 2, 1)
    first = run_shards(tmp_path, shards, write_bounds, key="a")
    for note in tmp_path.glob("sha256-*"):
        note.unlink()
    assert run_shards(tmp_path, shards, refuse, key="a") == first


@pytest.mark.parametrize(("key", "shard_size"), [("b", 1), ("a", 2)])
def test_shards_of_another_key_or_cut_are_made_again(tmp_path: Path, key: str, shard_size: int):
    run_shards(tmp_path, shards_of_groups([1] * 4, 1), lambda shard, path, _: path.write_text("old"), key="a")
    paths = run_shards(tmp_path, shards_of_groups([1] * 4, shard_size), write_bounds, key=key)
    assert set(tmp_path.glob("shard-*")) == set(paths)
    assert "old" not in [path.read_text() for path in paths]


def test_files_that_are_not_ours_stay(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    run_shards(tmp_path, shards_of_groups([1], 1), write_bounds, key="a")
    run_shards(tmp_path, shards_of_groups([1], 1), write_bounds, key="b")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_unfinished_files_of_a_killed_run_are_removed(tmp_path: Path):
    shards = shards_of_groups([1], 1)
    run_shards(tmp_path, shards, write_bounds, key="a")
    (tmp_path / "shard-00000001.unfinished").write_text("half")
    run_shards(tmp_path, shards, write_bounds, key="a")
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_failing_shard_leaves_the_earlier_ones_and_no_file_of_its_own(tmp_path: Path):
    def fail_on_second(shard: Shard, path: Path, advance: Advance) -> None:
        path.write_text("half")
        if shard.index == 1:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_shards(tmp_path, shards_of_groups([1, 1], 1), fail_on_second, key="a")
    assert (tmp_path / "shard-00000000").exists()
    assert not (tmp_path / "shard-00000001").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from xmas_assets.scale.running import run_shards
from xmas_assets.scale.shards import shards_of_groups

def write(shard, path, advance):
    path.write_text(f"{shard.start}-")
    if shard.index == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    path.write_text(f"{shard.start}-{shard.stop}")

run_shards(Path(sys.argv[1]), shards_of_groups([1] * 4, 1), write, key="a")
"""


def test_a_run_killed_anywhere_and_run_again_ends_with_the_same_bytes(tmp_path: Path):
    shards = shards_of_groups([1] * 4, 1)
    run_shards(tmp_path / "undisturbed", shards, write_bounds, key="a")
    for victim in (0, 2, 3):
        directory = tmp_path / f"killed{victim}"
        run = subprocess.run([sys.executable, "-c", KILLED, str(directory), str(victim)], env=os.environ, check=False)
        assert run.returncode == -signal.SIGKILL
        assert len(list(directory.glob("shard-*[0-9]"))) == victim
        run_shards(directory, shards, write_bounds, key="a")
        assert tree(directory) == tree(tmp_path / "undisturbed")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_text("old")

    with pytest.raises(OSError, match="disk full"), replacing(path) as unfinished:
        unfinished.write_text("new")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_kept_is_counted_as_done_and_reported_apart():
    reports = []
    counter = ItemCounter(100, reports.append)
    counter.keep(50)
    counter.advance(20)
    assert reports == [Progress(50, 100, kept=50), Progress(70, 100, kept=50)]


def test_work_that_is_found_done_counts_what_it_used_then_and_other_work_none_of_it(tmp_path: Path):
    def work(shard: Shard, path: Path, advance: Advance) -> None:
        time.sleep(0.1)
        write_bounds(shard, path, advance)

    shards = shards_of_groups([1] * 3, 1)
    with pytest.raises(ZeroDivisionError):
        run_shards(tmp_path, shards, lambda shard, path, _: work(shard, path, _) if shard.index < 2 else 1 / 0, key="a")
    with metered() as resumed:
        run_shards(tmp_path, shards, work, key="a")
    assert (resumed.earlier.wall_seconds or 0) >= 0.2
    with metered() as found:
        run_shards(tmp_path, shards, refuse, key="a")
    assert (found.earlier.wall_seconds or 0) >= 0.3
    with metered() as other:
        run_shards(tmp_path, shards, work, key="b")
    assert other.earlier == Usage()


@pytest.mark.parametrize("content", ["", '{"key": "", "cpu', "[]", '{"cpu_seconds": "many", "key": ""}'])
def test_a_damaged_note_of_costs_stops_no_work_and_is_named(tmp_path: Path, caplog, content: str):
    shards = shards_of_groups([1] * 2, 1)
    paths = run_shards(tmp_path, shards, write_bounds, key="a")
    (tmp_path / "usage.json").write_text(content)
    paths[1].unlink()
    assert run_shards(tmp_path, shards, write_bounds, key="a") == paths
    assert f"{tmp_path / 'usage.json'} is damaged" in caplog.text
    assert json.loads((tmp_path / "usage.json").read_text())["cpu_seconds"] >= 0
