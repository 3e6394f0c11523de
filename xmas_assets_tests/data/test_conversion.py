import pyarrow.parquet as pq
import pytest

from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import exported, image_root, picture, read, record, seen, talk, write

SUFFIXES = {"llava_json": "json", "llava_jsonl": "jsonl", "sharegpt": "json", "parquet": "parquet"}


def content_of(registration: Registration, **options) -> list[tuple]:
    """What the rows of a dataset mean, without the references of their images."""
    samples = read(registration, **options).samples
    return [(row["source_id"], row["task"], row["turns"], row["image_hashes"]) for row in samples]


@pytest.mark.parametrize("file_format", ["llava_json", "llava_jsonl", "sharegpt", "parquet"])
@pytest.mark.parametrize("source_format", ["json", "parquet"])
def test_a_subset_in_another_format_reads_back_as_the_same_samples(tmp_path, source_format, file_format):
    root = image_root(tmp_path, b_png=picture("blue"))
    two = seen(id="2", image=["b.png", "a.png"], conversations=talk("<image><image>Same?", "No.", "Sure?", "Yes."))
    records = [seen(id=1, task="t"), two, record(id=..., conversations=talk("é?", "ü."))]
    registration = Registration.create("made", [write(tmp_path, records)], images=root)
    if source_format == "parquet":
        exported(registration, [(0, 0), (0, 1), (0, 2)], tmp_path / "source.parquet", "parquet")
        registration = Registration.create("made", [tmp_path / "source.parquet"])
    expected = content_of(registration, image_store=tmp_path / "store")
    assert [row[0] for row in expected] == ["1", "2", None]
    out = tmp_path / f"out.{SUFFIXES[file_format]}"
    exported(registration, [(0, 0), (0, 1), (0, 2)], out, file_format)
    again = Registration.create("again", [out], images=tmp_path if source_format == "parquet" else root)
    assert content_of(again, image_store=tmp_path / "store2") == expected


def test_an_export_into_parquet_holds_the_images_bytes(tmp_path):
    registration = Registration.create("made", [write(tmp_path, [seen()])], images=image_root(tmp_path))
    exported(registration, [(0, 0)], tmp_path / "out.parquet", "parquet")
    images = pq.read_table(tmp_path / "out.parquet")["images"].to_pylist()
    assert images == [[{"bytes": picture(), "path": "a.png"}]]
