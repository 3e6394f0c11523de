"""Columns that need not fit in memory: the same values, in pages of a file that nobody sees."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.data import mapped_tables
from xmas_assets.data.mapped_tables import read_table
from xmas_assets.data.samples import Samples
from xmas_assets.home.records import sample_table
from xmas_assets.store.reading import Table

N = 40_000
TURN = pa.struct([("role", pa.string()), ("text", pa.string())])


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """Rows as samples have them, in several row groups."""
    path = tmp_path_factory.mktemp("tables") / "samples.parquet"
    rng = np.random.default_rng(0)
    texts = [f"text {number}" if number % 7 else None for number in rng.integers(0, 10**9, N)]
    table = pa.table(
        {
            "sample_id": [f"row {row}" for row in range(N)],
            "task": pa.array([f"task {row % 5}" if row % 3 else None for row in range(N)]).dictionary_encode(),
            "images": [[f"{row % 9}.jpg"] * (row % 3) for row in range(N)],
            "image_hashes": [["0" * 64] * (row % 3) for row in range(N)],
            "turns": pa.array([[{"role": "user", "text": text}] for text in texts], pa.list_(TURN)),
            "not_asked_for": rng.random(N),
        }
    )
    pq.write_table(table, path, row_group_size=9_000)
    return path


COLUMNS = ("turns", "sample_id", "task", "images", "image_hashes")


@pytest.mark.parametrize("columns", [COLUMNS, ("task",), COLUMNS[:1]], ids=len)
def test_a_mapped_table_has_the_values_of_one_in_memory(path, columns):
    mapped = read_table(path, columns, in_memory=0)
    assert mapped.column_names == list(columns)
    assert mapped.combine_chunks().equals(read_table(path, columns).combine_chunks())


def test_a_mapped_table_takes_no_memory_of_the_libraries_and_leaves_no_file(path):
    before = pa.total_allocated_bytes()
    held = read_table(path, COLUMNS)
    in_memory = pa.total_allocated_bytes() - before
    mapped = read_table(path, COLUMNS, in_memory=0)
    assert in_memory > 2**20
    assert pa.total_allocated_bytes() - before - in_memory < in_memory / 10
    assert held.num_rows == mapped.num_rows == N
    assert [file.name for file in path.parent.iterdir()] == ["samples.parquet"]


def test_memory_does_not_grow_while_columns_are_copied(tmp_path, monkeypatch):
    held = []

    class Watched(pq.ParquetFile):
        def iter_batches(self, *args, **options):
            for batch in super().iter_batches(*args, **options):
                held.append(pa.total_allocated_bytes())
                yield batch

    monkeypatch.setattr(mapped_tables.pq, "ParquetFile", Watched)
    values = np.random.default_rng(0).random(10_000_000)  # 80 MB, which do not compress
    pq.write_table(pa.table({"v": values}), tmp_path / "t.parquet", row_group_size=250_000, use_dictionary=False)
    assert len(read_table(tmp_path / "t.parquet", ["v"], in_memory=0)) == len(values)
    assert max(held) - min(held) < 10_000_000


def test_samples_over_pages_are_those_in_memory_and_travel(path, monkeypatch):
    held = Samples.open(path)
    monkeypatch.setattr(read_table, "__kwdefaults__", {"in_memory": 0})
    mapped = Samples(sample_table(Table.open(path), COLUMNS), stored=path)
    rows = [N - 1, 0, 17, 9_000, 8_999, 16_384]
    assert list(mapped.take(rows)) == list(held.take(rows))
    assert list(pickle.loads(pickle.dumps(mapped.take(rows)))) == list(held.take(rows))  # noqa: S301 - our own


def test_a_folder_without_room_is_named(path, monkeypatch):
    monkeypatch.setattr(read_table, "__kwdefaults__", {"in_memory": 0})
    full = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115 - closed by who gets it
    monkeypatch.setattr(mapped_tables.tempfile, "TemporaryFile", lambda **_: full)
    with pytest.raises(StoreError, match=r"samples.parquet cannot be read \(.*No space left on device"):
        sample_table(Table.open(path), ["sample_id"])
