import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.store import tables
from xmas_assets.store.tables import move_tables, open_tables, partition_directory, write_tables

FRAME = pl.DataFrame(
    {
        "row": np.arange(5),
        "sample_id": ["a", "b", None, "d", "e"],
        "tags": [["x"], [], ["y", "z"], [], []],
        "ok": [True, False, True, True, False],
        "centroid": pl.Series(np.arange(10, dtype=np.float32).reshape(5, 2)),
    }
)
OTHER = FRAME.with_columns(pl.col("row") + 100)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def batches_of(frame: pl.DataFrame, n_rows: int):
    yield from (("t", batch) for batch in frame.to_arrow().to_batches(max_chunksize=n_rows))


def test_what_is_written_comes_back(tmp_path):
    assert write_tables(tmp_path / "new" / "folder", {"t": FRAME, "empty": FRAME.head(0)}) == {"t": 5, "empty": 0}
    stored = open_tables(tmp_path / "new" / "folder")
    assert list(stored) == ["empty", "t"]
    assert stored["t"].columns == FRAME.columns
    assert stored["t"].n_rows == 5
    assert stored["t"].frame().equals(FRAME)
    assert stored["t"].scan().collect().equals(FRAME)
    assert stored["t"].frame(["ok", "row"]).equals(FRAME.select("ok", "row"))
    assert stored["empty"].frame().schema == FRAME.schema


def test_columns_come_as_arrays_and_fixed_size_lists_in_two_dimensions(tmp_path):
    write_tables(tmp_path, {"t": FRAME})
    table = open_tables(tmp_path)["t"]
    centroids = table.column("centroid")
    assert (centroids.shape, centroids.dtype) == ((5, 2), np.float32)
    assert centroids[3].tolist() == [6.0, 7.0]
    assert table.column("sample_id").tolist() == ["a", "b", None, "d", "e"]
    assert table.column("row").dtype == np.int64
    assert table.column("ok").dtype == np.bool_


def test_arrays_of_three_dimensions_come_back_in_their_shape_and_nulls_as_nan(tmp_path):
    values = np.random.default_rng(0).random((4, 3, 2)).astype(np.float32)
    frame = pl.DataFrame({"v": pl.Series(values), "x": [1.0, None, 3.0, 4.0]})
    write_tables(tmp_path, {"t": frame})
    np.testing.assert_array_equal(open_tables(tmp_path)["t"].column("v"), values, strict=True)
    assert np.isnan(open_tables(tmp_path)["t"].column("x")).tolist() == [False, True, False, False]


def test_metadata_is_in_the_footer(tmp_path):
    write_tables(tmp_path, {"t": FRAME}, metadata={"settings": "k = 3", "é": "ü"})
    assert open_tables(tmp_path)["t"].metadata == {"settings": "k = 3", "é": "ü"}


@pytest.mark.parametrize("n_rows", [1, 3, 100])
def test_rows_are_taken_in_the_order_asked_for_whatever_the_batches(tmp_path, monkeypatch, n_rows):
    monkeypatch.setattr("xmas_assets.store.reading._TAKEN_FROM", n_rows)
    values = np.arange(14, dtype=np.float32).reshape(7, 2)
    write_tables(tmp_path, {"t": pl.DataFrame({"v": pl.Series(values)})})
    taken = open_tables(tmp_path)["t"].take("v", np.array([5, 0, 6, 2]))
    assert taken.tolist() == [[10, 11], [0, 1], [12, 13], [4, 5]]


def test_batches_are_read_in_order_and_bounded(tmp_path):
    write_tables(tmp_path, {"t": FRAME})
    sizes = [batch.num_rows for batch in open_tables(tmp_path)["t"].batches(["row"], n_rows=2)]
    assert sizes == [2, 2, 1]


def test_frames_lazy_frames_and_streams_of_any_chunking_give_the_same_bytes(tmp_path):
    frame = pl.DataFrame({"row": np.arange(200_000), "name": [f"n{i % 999}" for i in range(200_000)]})
    written = []
    for source in ({"t": frame}, {"t": frame.lazy()}, {"t": frame.to_arrow()}, batches_of(frame, 777)):
        write_tables(tmp_path, source)
        written.append(contents(tmp_path))
    assert all(files == written[0] for files in written)


def test_a_stream_of_several_tables_is_taken_as_it_comes(tmp_path):
    def stream():
        for start in range(5):
            for name, frame in (("a", FRAME), ("b", OTHER)):
                yield name, frame.slice(start, 1).to_arrow().to_batches()[0]

    assert write_tables(tmp_path, stream()) == {"a": 5, "b": 5}
    stored = open_tables(tmp_path)
    assert stored["a"].frame().equals(FRAME)
    assert stored["b"].frame().equals(OTHER)


def test_schemas_cast_order_columns_and_make_empty_tables(tmp_path):
    schema = pa.schema([("b", pa.string()), ("a", pa.int32())])
    batch = pa.RecordBatch.from_pylist([{"a": 1, "b": "x"}])
    assert write_tables(tmp_path, [("t", batch)], schemas={"t": schema, "none": schema}) == {"t": 1, "none": 0}
    stored = open_tables(tmp_path)
    assert stored["t"].schema == stored["none"].schema == schema
    assert stored["t"].arrow().to_pylist() == [{"b": "x", "a": 1}]


def test_a_batch_that_does_not_fit_its_schema_is_refused_and_the_old_tables_stay(tmp_path):
    write_tables(tmp_path, {"t": FRAME})
    before = contents(tmp_path)
    batch = pa.RecordBatch.from_pylist([{"a": "not a number"}])
    with pytest.raises(pa.ArrowInvalid):
        write_tables(tmp_path, [("t", batch)], schemas={"t": pa.schema([("a", pa.int32())])})
    assert contents(tmp_path) == before


def test_tables_without_a_successor_are_removed(tmp_path):
    write_tables(tmp_path, {"a": FRAME, "b": FRAME})
    write_tables(tmp_path, {"b": OTHER})
    assert list(open_tables(tmp_path)) == ["b"]


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
        match="clusters of dataset 'shapes' was interrupted .*; delete .*xmas select shapes --method METHOD$",
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


def test_moved_tables_replace_the_old_ones_and_leave_their_source_empty(tmp_path):
    write_tables(tmp_path / "work", {"t": OTHER})
    write_tables(tmp_path / "home", {"t": FRAME, "gone": FRAME})
    expected = contents(tmp_path / "work")
    move_tables(tmp_path / "work", tmp_path / "home")
    assert contents(tmp_path / "home") == expected
    assert contents(tmp_path / "work") == {}


def test_tables_move_to_another_file_system_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_tables(tmp_path / "work", {"t": OTHER})
    move_tables(tmp_path / "work", tmp_path / "home")
    assert open_tables(tmp_path / "home")["t"].frame().equals(OTHER)


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path):
    """600,000 rows of 512 bytes are 307 MB; writing them in batches must stay far below that."""
    script = f"""
        import resource
        from pathlib import Path
        import numpy as np, pyarrow as pa
        from xmas_assets.store.tables import write_tables
        values = np.zeros((10_000, 128), dtype=np.float32)
        batch = pa.record_batch({{"v": pa.FixedSizeListArray.from_arrays(values.ravel(), 128)}})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        write_tables(Path({str(tmp_path)!r}), (("t", batch) for _ in range(60)))
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150
    assert open_tables(tmp_path)["t"].n_rows == 600_000


def test_a_partition_key_cannot_leave_its_folder(tmp_path):
    hostile = ["x'; DROP TABLE--", '"a"."b"', "../x", "..", "a/b", "a=b", "é\n", "CON"]
    for key in hostile:
        directory = partition_directory(tmp_path, "clusters", dataset=key)
        assert directory.parent == tmp_path / "clusters"
        write_tables(directory, {"t": FRAME})
    assert len(list((tmp_path / "clusters").iterdir())) == len(hostile)
    path = partition_directory(tmp_path, "selected_subset", dataset="shapes", selection="xmas_b0.20_s0")
    assert path == tmp_path / "selected_subset" / "dataset=shapes" / "selection=xmas_b0.20_s0"


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
    with pytest.raises(StoreError, match="t.parquet is damaged .*; delete .*, then materialize"):
        open_tables(tmp_path)


def test_a_column_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    write_tables(tmp_path, {"t": FRAME.select("row", "ok")})
    with pytest.raises(StoreError, match="has no column 'label'; it has row, ok"):
        open_tables(tmp_path)["t"].column("label")
