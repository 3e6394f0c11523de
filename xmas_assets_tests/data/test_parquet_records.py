import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data import parquet_records as parquet_records_module
from xmas_assets.data.parquet_records import parquet_records, shared_schema
from xmas_assets.data.readers import read_records
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import picture, read, record, talk

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def shard(path, rows, image_type=None):
    schema = None
    if image_type is not None:
        turns = pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))
        schema = pa.schema([("id", pa.string()), ("images", image_type), ("conversations", turns)])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def row(name, *images):
    return {
        "id": name,
        "images": [{"bytes": data, "path": None} for data in images],
        "conversations": talk("<image>" * len(images) + "What?", "That."),
    }


def test_images_as_bytes_become_files_named_by_their_hash(tmp_path):
    red, blue = picture("red"), picture("blue", kind="JPEG")
    path = shard(tmp_path / "a.parquet", [row("1", red, blue), row("2", red)], pa.list_(IMAGE))
    result = read(Registration.create("made", [path]), image_store=tmp_path / "store")
    first, second = result.samples
    assert len(first["images"]) == 2
    assert second["images"] == first["images"][:1]
    for ref, digest, data in zip(first["images"], first["image_hashes"], [red, blue], strict=True):
        extension = "png" if data is red else "jpeg"
        assert ref == f"store:{digest[:2]}/{digest}.{extension}"
        assert (tmp_path / "store" / digest[:2] / f"{digest}.{extension}").read_bytes() == data


def test_one_image_struct_per_row_is_read_like_a_list_of_one(tmp_path):
    rows = [{"image": {"bytes": picture(), "path": "x.png"}, "conversations": talk("<image>What?", "That.")}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    result = read(Registration.create("made", [tmp_path / "a.parquet"]), image_store=tmp_path / "store")
    assert result.samples[0]["n_images"] == 1


def test_texts_columns_get_a_mark_per_image_before_the_first_question(tmp_path):
    rows = [{"images": [{"bytes": picture(), "path": None}], "texts": [{"user": "What?", "assistant": "That."}]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    result = read(Registration.create("made", [tmp_path / "a.parquet"]), image_store=tmp_path / "store")
    assert result.samples[0]["turns"][0] == {"role": "user", "text": "<image>\nWhat?"}


def test_image_bytes_without_a_folder_to_take_them_are_refused(tmp_path):
    path = shard(tmp_path / "a.parquet", [row("1", picture())], pa.list_(IMAGE))
    with pytest.raises(DatasetError, match="carry their images as bytes"):
        read(Registration.create("made", [path]))


def test_a_damaged_image_in_a_row_is_quarantined_and_nothing_is_stored(tmp_path):
    path = shard(tmp_path / "a.parquet", [row("1"), row("2", b"no image"), row("3", b"")], pa.list_(IMAGE))
    result = read(Registration.create("made", [path]), image_store=tmp_path / "store")
    assert [(item["source_id"], item["reason"]) for item in result.quarantine] == [
        ("2", "image_format"),
        ("3", "image_empty"),
    ]
    assert '"<8 bytes>"' in result.quarantine[0]["raw"]
    assert not (tmp_path / "store").exists()


def test_a_damaged_row_group_refuses_the_file(tmp_path):
    rows = [record(id=str(index)) for index in range(500)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=100, compression="zstd")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    place = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(3).column(0).data_page_offset
    data[place : place + 40] = b"\xff" * 40
    (tmp_path / "a.parquet").write_bytes(bytes(data))
    with pytest.raises(DatasetError, match=r"a.parquet: damaged after row \d+ .*get the file again"):
        list(parquet_records(tmp_path / "a.parquet", 0))


def test_a_parquet_file_cut_off_is_refused(tmp_path):
    path = shard(tmp_path / "a.parquet", [record()])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError, match="not a readable Parquet file"):
        list(parquet_records(path, 0))


def test_shards_of_different_schemas_are_refused_with_both_schemas(tmp_path):
    paths = (shard(tmp_path / "a.parquet", [record(id="1")]), shard(tmp_path / "b.parquet", [record(id=1)]))
    with pytest.raises(
        DatasetError, match="b.parquet: its columns id: int64.* differ from those of a.parquet, id: string"
    ):
        shared_schema(paths)


def test_a_table_without_conversations_is_refused_with_its_columns(tmp_path):
    pq.write_table(pa.table({"question": ["a"], "solution": ["b"]}), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="no conversation .* 'question', 'solution' .* needs 'answer' too"):
        list(read_records((tmp_path / "a.parquet",)))


def test_text_that_is_not_utf8_sets_aside_its_row_alone(tmp_path):
    turns = [talk("What?", name) for name in ("AAAA", "BBBB", "CCCC")]
    pq.write_table(pa.table({"conversations": turns}), tmp_path / "a.parquet", use_dictionary=False, compression="none")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data.replace(b"BBBB", b"\xff\xfe\xff\xfe"))
    reasons = [item.reason and item.reason.value for item in parquet_records(tmp_path / "a.parquet", 0)]
    assert reasons == [None, "bad_encoding", None]


def test_rows_are_read_a_few_at_a_time_whatever_the_row_group(tmp_path, monkeypatch):
    """100 rows of 0.5 MB in one row group, in pages of 4 rows: of the 50 MB only a part may be held at once."""
    monkeypatch.setattr(parquet_records_module, "BATCH_ROWS", 8)
    data = np.random.default_rng(0).bytes(500_000)
    table = pa.Table.from_pylist([row(str(index), data) for index in range(100)])
    pq.write_table(table, tmp_path / "a.parquet", write_batch_size=4, use_dictionary=False)
    del table
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in parquet_records(tmp_path / "a.parquet", 0)]
    assert len(held) == 100
    assert max(held) < 25_000_000
