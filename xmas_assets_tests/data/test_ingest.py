import json
from collections import Counter
from hashlib import sha256

import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.progress import Progress
from xmas_assets.data import ingest as ingest_module
from xmas_assets.data.registration import Registration
from xmas_assets.data.tables import SAMPLES_SCHEMA, TABLE_SCHEMAS
from xmas_assets_tests.data.making import (
    image_root,
    picture,
    read,
    read_records_of,
    reason_of,
    record,
    seen,
    talk,
    write,
)


def test_a_row_holds_the_record_and_where_it_came_from(tmp_path):
    result = read_records_of(tmp_path, [record(id="t"), seen(id=7, task="pets")], images=image_root(tmp_path))
    row = result.samples[1]
    assert row["digest"] and row["image_hashes"] and row.pop("digest") and row.pop("image_hashes")
    assert row == {
        "row": 1,
        "sample_id": "7",
        "source_id": "7",
        "source_file": 0,
        "source_row": 1,
        "task": "pets",
        "images": ["a.png"],
        "turns": [{"role": "user", "text": "<image>\nWhat is it?"}, {"role": "assistant", "text": "A cat."}],
        "n_turns": 1,
        "n_images": 1,
    }


def test_the_hash_of_an_image_is_that_of_its_bytes(tmp_path):
    result = read_records_of(tmp_path, [seen()], images=image_root(tmp_path))
    assert result.samples[0]["image_hashes"] == [sha256(picture()).hexdigest()]


def test_batches_have_the_declared_schemas(tmp_path):
    registration = Registration.create("made", [write(tmp_path, [record(), {}])])
    for name, batch in ingest_module.ingest(registration):
        assert batch.schema.equals(TABLE_SCHEMAS[name])


def test_test_files_make_a_table_of_their_own(tmp_path):
    test = write(tmp_path, [record(id="a"), {}], "test.json")
    result = read_records_of(tmp_path, [record(id="a")], test=[test])
    assert [row["sample_id"] for row in result.samples] == [row["sample_id"] for row in result.test] == ["a"]
    assert [row["split"] for row in result.quarantine] == ["test"]
    assert result.ledger.rows_in == {"samples": 1, "test": 2}


# Every bad record is quarantined beside its good neighbour (FAULTS A and B, through the whole reader).

BAD_RECORDS = {
    "bad_value": ["text", record(conversations=talk(None, "x")), record(conversations=talk("x", 3))],
    "bad_id": [record(id="a\nb"), record(id="x" * 10_000)],
    "no_conversation": [record(conversations=[]), record(conversations=...)],
    "bad_turn_order": [record(conversations=talk("x", "y", "z"))],
    "unknown_role": [record(conversations=[{"from": "bot", "value": "x"}])],
    "empty_answer": [record(conversations=talk("x", ""))],
    "bad_text": [record(conversations=talk("a\x00", "x")), record(conversations=talk("\ud800", "x"))],
    "bad_image_field": [seen(image=5)],
    "image_count": [seen(image=...), record(image="a.png"), seen(image=["a.png", "a.png"])],
    "image_in_answer": [seen(conversations=talk("<image>", "<image>"))],
    "too_large": [record(conversations=talk(*["x"] * 50_000))],
    "image_missing": [seen(image="b.png")],
    "image_empty": [seen(image="empty.png")],
    "image_corrupt": [seen(image="cut.jpeg")],
    "image_format": [seen(image="page.png"), seen(image="drawing.svg")],
    "image_shape": [seen(image="strip.png")],
    "image_outside_root": [
        seen(image="../a.png"),
        seen(image="http://169.254.169.254/x"),
        seen(image="store:aa/b.png"),
    ],
    "image_not_a_file": [seen(image="folder")],
}


@pytest.mark.parametrize(
    ("reason", "bad"), [(reason, bad) for reason, records in BAD_RECORDS.items() for bad in records]
)
def test_a_bad_record_is_quarantined_with_its_reason(tmp_path, reason, bad):
    root = image_root(
        tmp_path,
        empty_png=b"",
        cut_jpeg=picture(kind="JPEG")[:300],
        page_png=b"<html>",
        drawing_svg=b"<svg/>",
        strip_png=picture(size=(1, 10_000)),
    )
    (root / "folder").mkdir()
    assert reason_of(tmp_path, bad, images=root) == reason


def test_each_defect_at_once_is_counted_by_reason(tmp_path):
    records = [bad for name in BAD_RECORDS if not name.startswith("image_") for bad in BAD_RECORDS[name]]
    result = read_records_of(tmp_path, [record(id="good"), *records])
    expected = {name: len(bad) for name, bad in BAD_RECORDS.items() if not name.startswith("image_")}
    assert result.ledger.reasons == Counter(expected)
    assert result.ledger.quarantined == {"samples": len(records)}


def test_the_quarantine_keeps_id_place_and_first_2000_characters(tmp_path):
    bad = record(id=5, conversations=talk("é" * 3000, ""))
    result = read_records_of(tmp_path, [record(), bad])
    row = result.quarantine[0]
    assert (row["source_id"], row["source_file"], row["source_row"]) == ("5", 0, 1)
    assert row["raw"] == json.dumps(bad)[:2000]
    assert row["detail"] == "turn 1 of the assistant is empty"


def test_invalid_utf8_can_be_kept_in_the_quarantine(tmp_path):
    result = read_records_of(tmp_path, b'[{"id": "\xff"}, ' + json.dumps(record()).encode() + b"]")
    assert result.quarantine[0]["reason"] == "bad_encoding"
    assert result.quarantine[0]["raw"] == '{"id": "\N{REPLACEMENT CHARACTER}"}'


def test_a_record_too_large_to_hold_is_quarantined(tmp_path, monkeypatch):
    monkeypatch.setattr("xmas_assets.data.json_slices.MAX_RECORD_BYTES", 1000)
    assert reason_of(tmp_path, record(conversations=talk("x" * 5000, "y"))) == "too_large"


# Ids and duplicates (FAULTS 6 to 9, 48).


def test_ids_of_mixed_types_are_text_and_the_same_number_is_the_same_id(tmp_path):
    records = [record(id=7), record(id="7", conversations=talk("Other?", "Yes.")), record(id=8)]
    result = read_records_of(tmp_path, records)
    assert [row["source_id"] for row in result.samples] == ["7", "7", "8"]
    assert [row["sample_id"][:2] for row in result.samples] == ["7#", "7#", "8"]
    assert len({row["sample_id"] for row in result.samples}) == 3


def test_a_missing_id_is_generated_and_stays_the_same(tmp_path):
    first = read_records_of(tmp_path, [record(id=...), record(id="b")])
    second = read_records_of(tmp_path, [record(id="b"), record(id="c"), record(id=None)])
    assert first.samples[0]["sample_id"] == second.samples[2]["sample_id"]
    assert first.samples[0]["sample_id"].startswith("auto-")
    assert first.ledger.notices["generated_id"] == 1


def test_a_repeated_record_is_kept_and_reported_by_default(tmp_path):
    result = read_records_of(tmp_path, [record(), record()])
    assert [row["sample_id"] for row in result.samples] == ["a", "a#2"]
    assert result.ledger.notices["repeated_id"] == 1
    assert result.ledger.notices["same_content"] == 1


def test_a_repeated_record_is_quarantined_on_request_and_a_different_one_never(tmp_path):
    records = [record(), record(), record(conversations=talk("Other?", "Yes."))]
    result = read_records_of(tmp_path, records, duplicates="quarantine")
    assert [row["source_row"] for row in result.samples] == [0, 2]
    assert [(row["source_row"], row["reason"]) for row in result.quarantine] == [(1, "duplicate")]


def test_different_records_of_one_id_are_all_kept_under_ids_that_row_order_does_not_change(tmp_path):
    records = [record(conversations=talk("What?", answer)) for answer in ("one", "two", "three")]
    forward = read_records_of(tmp_path, records)
    backward = read_records_of(tmp_path, records[::-1])
    ids = [row["sample_id"] for row in forward.samples]
    assert len(set(ids)) == 3
    assert ids == [row["sample_id"] for row in backward.samples][::-1]


# Whole datasets (FAULTS 19, 22, 23, 30, 48).


def test_one_row_is_a_dataset(tmp_path):
    assert len(read_records_of(tmp_path, [record()]).samples) == 1


def test_text_only_rows_have_no_images_and_are_kept(tmp_path):
    assert read_records_of(tmp_path, [record()]).samples[0]["n_images"] == 0


@pytest.mark.parametrize("content", ["[]", " [ ] "])
def test_zero_rows_are_refused(tmp_path, content):
    with pytest.raises(DatasetError, match="annotations files hold 0 records"):
        read_records_of(tmp_path, content)


def test_a_dataset_of_bad_rows_only_is_refused_with_the_top_reasons(tmp_path):
    bad = [record(conversations=[]), record(conversations=[]), "text"]
    with pytest.raises(
        DatasetError, match=r"all 3 records .*: no_conversation \(2; record 0 .*, bad_value \(1; record 2 .*'text'"
    ):
        read_records_of(tmp_path, bad)


def test_where_no_image_is_found_the_message_names_one_and_the_folder(tmp_path):
    root = image_root(tmp_path)
    with pytest.raises(DatasetError, match=f"'images/a.png' does not exist.*images are looked for in {root}"):
        read_records_of(tmp_path, [seen(image="images/a.png")], images=root)


def test_a_test_file_of_bad_rows_only_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="all 1 records of test"):
        read_records_of(tmp_path, [record()], test=[write(tmp_path, ["x"], "test.json")])


def test_images_without_a_registered_folder_are_told(tmp_path):
    with pytest.raises(DatasetError, match="image_missing"):
        read_records_of(tmp_path, [seen()])


def test_missing_sources_are_refused_before_anything_is_read(tmp_path):
    with pytest.raises(DatasetError, match=r"none.json' does not exist"):
        read(Registration.create("made", [write(tmp_path, [record()])], test=[tmp_path / "none.json"]))
    with pytest.raises(DatasetError, match="neither a folder nor a ZIP or TAR file"):
        read_records_of(tmp_path, [record()], images=tmp_path / "none")


def test_text_beyond_two_gigabytes_would_be_split_over_batches(tmp_path, monkeypatch):
    """Arrow's 32-bit offsets hold 2 GiB a batch; a batch ends long before (64 MiB; here 1,000 bytes)."""
    assert ingest_module._BATCH_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(ingest_module, "_BATCH_BYTES", 1000)
    path = write(tmp_path, [record(id=str(index), conversations=talk("x" * 600, "y")) for index in range(10)])
    tables = ingest_module.ingest(Registration.create("made", [path]))
    batches = [batch for name, batch in tables if name == "samples"]
    assert [batch.num_rows for batch in batches] == [2, 2, 2, 2, 2]
    assert [row for batch in batches for row in batch["row"].to_pylist()] == list(range(10))


def test_progress_counts_the_records(tmp_path):
    told = []
    path = write(tmp_path, [record(id=str(index)) for index in range(1500)])
    read(Registration.create("made", [path]), progress=told.append)
    assert told == [Progress(1024), Progress(1500)]


def test_tables_survive_parquet(tmp_path):
    path = write(tmp_path, [record()])
    for name, batch in ingest_module.ingest(Registration.create("made", [path])):
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", batch.schema) as writer:
            writer.write_batch(batch)
    assert pq.read_table(tmp_path / "samples.parquet").schema.equals(SAMPLES_SCHEMA)


@pytest.mark.parametrize("field", ["id", "image", "images", "conversations", "task", "system", "weight"])
@pytest.mark.parametrize("deep", ["[" * 1000 + "]" * 1000, '{"a":' * 1000 + "1" + "}" * 1000])
def test_a_value_nested_a_thousand_deep_costs_its_own_record_at_most(tmp_path, field, deep):
    lines = [json.dumps(seen(id=1)), json.dumps(seen(id=2) | {field: "@"}).replace('"@"', deep)]
    result = read_records_of(tmp_path, "\n".join(lines) + "\n", name="t.jsonl", images=image_root(tmp_path))
    assert len(result.samples) + len(result.quarantine) == 2
    assert result.samples[0]["source_row"] == 0
