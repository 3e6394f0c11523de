"""Tables that cannot be written or read: errors, kills, full and read-only disks, damage."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.store import tables
from xmas_assets.store.tables import open_tables, partition_directory, write_tables
from xmas_assets_tests.store.frames import FRAME, OTHER, contents


def test_a_batch_that_does_not_fit_its_schema_is_refused_and_the_old_tables_stay(tmp_path):
    write_tables(tmp_path, {"t": FRAME})
    before = contents(tmp_path)
    batch = pa.RecordBatch.from_pylist([{"a": "not a number"}])
    with pytest.raises(pa.ArrowInvalid):
        write_tables(tmp_path, [("t", batch)], schemas={"t": pa.schema([("a", pa.int32())])})
    assert contents(tmp_path) == before


def test_an_error_in_the_stream_leaves_the_old_tables_and_nothing_else(tmp_path):
    write_tables(tmp_path, {"t": FRAME})
    before = contents(tmp_path)

    def stream():
        yield "t", OTHER.to_arrow().to_batches()[0]
        raise KeyError("the producer broke")

    with pytest.raises(KeyError):
        write_tables(tmp_path, stream())
    assert contents(tmp_path) == before


KILLED = """
import os, signal
from pathlib import Path
import polars as pl
from xmas_assets.store import tables
directory, stage = Path({directory!r}), {stage!r}
frame = pl.DataFrame({{"row": [7]}})

def stream():
    yield "a", frame.to_arrow().to_batches()[0]
    if stage == "stream":
        os.kill(os.getpid(), signal.SIGKILL)
    yield "b", frame.to_arrow().to_batches()[0]

replace = Path.replace
def replace_and_die(self, target):
    if stage == "first rename" or (stage == "second rename" and self.name.startswith("b")):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = replace_and_die
tables.write_tables(directory, stream())
"""


def write_and_die(directory: Path, stage: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED.format(directory=str(directory), stage=stage)], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("stage", ["stream", "first rename"])
def test_a_kill_while_writing_leaves_the_old_tables_and_the_next_write_cleans_up(tmp_path, stage):
    write_tables(tmp_path, {"a": FRAME, "b": FRAME})
    before = contents(tmp_path)
    write_and_die(tmp_path, stage)
    assert {name: contents(tmp_path)[name] for name in before} == before
    assert len(contents(tmp_path)) > len(before)
    assert open_tables(tmp_path)["a"].frame().equals(FRAME)
    write_tables(tmp_path, {"a": OTHER, "b": OTHER})
    assert sorted(contents(tmp_path)) == ["a.parquet", "b.parquet"]
    assert open_tables(tmp_path)["b"].frame().equals(OTHER)


def test_a_kill_between_two_renames_is_noticed(tmp_path):
    directory = partition_directory(tmp_path, "clusters", dataset="shapes")
    write_tables(directory, {"a": FRAME, "b": FRAME})
    write_and_die(directory, "second rename")
    with pytest.raises(
        StoreError,
        match="clusters of dataset 'shapes' was interrupted .*; materialize .*xmas select shapes --method METHOD$",
    ):
        open_tables(directory)


def test_a_full_disk_is_said_in_one_line_and_the_old_tables_stay(tmp_path):
    write_tables(tmp_path, {"t": FRAME})
    before = contents(tmp_path)
    script = f"""
        import resource, signal
        from pathlib import Path
        import numpy as np, polars as pl
        from xmas_assets.contracts.errors import StoreError
        from xmas_assets.store.tables import write_tables
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            frame = pl.DataFrame({{"x": np.random.default_rng(0).random(400_000)}})
            write_tables(Path({str(tmp_path)!r}), {{"t": frame}})
        except StoreError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert "cannot be written (" in done.stdout
    assert "earlier tables are intact: free some space" in done.stdout
    assert done.stdout.count("\n") == 1
    assert contents(tmp_path) == before


def test_a_read_only_folder_is_said_in_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tables.pq, "ParquetWriter", refuse)
    with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\)"):
        write_tables(tmp_path, {"t": FRAME})


def test_a_file_where_the_folder_should_be_is_said_in_one_line(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_tables(tmp_path / "taken" / "clusters", {"t": FRAME})


def test_what_was_never_made_is_named_with_its_partition(tmp_path):
    directory = partition_directory(tmp_path, "selected_subset", dataset="a/b", selection="full_b1.00_s0")
    with pytest.raises(
        StoreError, match="selected_subset of dataset 'a/b', selection 'full_b1.00_s0' has not been made"
    ):
        open_tables(directory)


def test_a_damaged_file_is_refused(tmp_path):
    write_tables(tmp_path, {"t": FRAME})
    path = tmp_path / "t.parquet"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(StoreError, match="t.parquet is damaged .*; materialize"):
        open_tables(tmp_path)


def test_a_column_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    write_tables(tmp_path, {"t": FRAME.select("row", "ok")})
    with pytest.raises(StoreError, match="has no column 'label'; it has row, ok"):
        open_tables(tmp_path)["t"].column("label")
