import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from xmas_assets.store.reading import Table
from xmas_assets.store.tables import move_tables, open_tables, partition_directory, write_tables
from xmas_assets_tests.store.frames import FRAME, OTHER, contents


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


def test_text_comes_in_numpys_strings_over_several_batches(tmp_path):
    words = [f"{'x' * (number % 40)}{number}é" for number in range(40_000)]
    write_tables(tmp_path, {"words": pl.DataFrame({"word": words})})
    read = open_tables(tmp_path)["words"].text("word")
    assert read.dtype == np.dtypes.StringDType()
    assert read.tolist() == words


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


@pytest.mark.parametrize("n_rows", [1, 2, 100])
def test_rows_of_several_columns_come_in_the_order_asked_for_with_what_is_null(tmp_path, monkeypatch, n_rows):
    monkeypatch.setattr("xmas_assets.store.reading._TAKEN_FROM", n_rows)
    write_tables(tmp_path, {"t": FRAME})
    found = open_tables(tmp_path)["t"].rows(np.array([3, 2, 0]), ["sample_id", "centroid"])
    assert found["sample_id"].to_list() == ["d", None, "a"]
    assert found["centroid"].to_numpy().tolist() == [[6.0, 7.0], [4.0, 5.0], [0.0, 1.0]]


def test_memory_does_not_grow_with_the_batches_that_were_read(tmp_path):
    n_groups, n_rows = 40, 65_536
    values = np.random.default_rng(0).random((n_rows, 8), dtype=np.float32)  # 2 MiB, which do not compress
    batch = pa.record_batch({"v": pa.FixedSizeListArray.from_arrays(values.ravel(), 8)})
    write_tables(tmp_path, (("t", batch) for _ in range(n_groups)))
    table, before = open_tables(tmp_path)["t"], pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in table.batches()]
    assert len(held) >= n_groups
    assert max(held) < 5 * values.nbytes


def test_while_rows_are_taken_nothing_of_the_others_stays_in_memory(tmp_path):
    held = []

    class Watched(Table):
        def batches(self, *args: Any, **options: Any) -> Iterator[pa.RecordBatch]:
            for batch in super().batches(*args, **options):
                held.append(pa.total_allocated_bytes())
                yield batch

    texts = [f"{number} {'x' * 1000}" for number in range(20_000)]
    write_tables(tmp_path, {"t": pl.DataFrame({"text": texts})})
    taken = Watched.open(tmp_path / "t.parquet").rows(np.arange(0, 20_000, 1000), ["text"])
    assert taken["text"].to_list() == texts[::1000]
    assert len(held) == 10
    assert held[-1] - held[0] < 5_000_000


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


def test_a_table_has_an_optional_column_only_if_its_first_batch_has_it(tmp_path):
    schema, extra = pa.schema([("a", pa.int32())]), pa.field("c", pa.list_(pa.float64()))
    plain, more = (pa.RecordBatch.from_pylist([row]) for row in ({"a": 1, "b": 0}, {"c": [0.5], "a": 2, "b": 0}))
    schemas = {"plain": schema, "more": schema, "none": schema}
    write_tables(tmp_path / "with", [("plain", plain), ("more", more)], schemas=schemas, optional=[extra])
    write_tables(tmp_path / "without", [("plain", plain)], schemas={"plain": schema, "none": schema})
    stored, other = open_tables(tmp_path / "with"), open_tables(tmp_path / "without")
    assert stored["more"].arrow().to_pylist() == [{"a": 2, "c": [0.5]}]
    assert stored["plain"].schema == stored["none"].schema == schema
    assert {name: stored[name].digest for name in other} == {name: table.digest for name, table in other.items()}


def test_tables_without_a_successor_are_removed(tmp_path):
    write_tables(tmp_path, {"a": FRAME, "b": FRAME})
    write_tables(tmp_path, {"b": OTHER})
    assert list(open_tables(tmp_path)) == ["b"]


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
