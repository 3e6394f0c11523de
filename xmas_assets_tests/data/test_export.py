import json
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xmas_assets.contracts.errors import DatasetError, OutputError
from xmas_assets.contracts.manifest import ExportedFile, Manifest
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import exported, manifest_of, read, record, talk, write


def places_of(registration: Registration, **options) -> list[tuple[int, int]]:
    return [(row["source_file"], row["source_row"]) for row in read(registration, **options).samples]


RECORDS = (
    b"\xef\xbb\xbf"
    b'[ {"id":7 , "n":1.50,\t"conversations":[{"from":"human","value":"\\u00e9"},{"from":"gpt","value":"x"}]},\n'
    b' {"id": "bad"},\n'
    b'  {"conversations":[{"value":"q","from":"human"},{"value":"\xc3\xa9","from":"gpt"}], "id":"7"}\n'
    b', {"id":9,"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}]'
)


def test_the_original_records_come_back_byte_for_byte_in_source_order(tmp_path):
    registration = Registration.create("made", [write(tmp_path, RECORDS)])
    content = exported(registration, [(0, 3), (0, 0), (0, 2)], tmp_path / "out.json")
    assert content == (
        b'[{"id":7 , "n":1.50,\t"conversations":[{"from":"human","value":"\\u00e9"},{"from":"gpt","value":"x"}]},\n'
        b'{"conversations":[{"value":"q","from":"human"},{"value":"\xc3\xa9","from":"gpt"}], "id":"7"},\n'
        b'{"id":9,"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}]\n'
    )


def test_lines_come_back_as_lines(tmp_path):
    lines = [json.dumps(record(id=index)).encode() for index in range(4)]
    registration = Registration.create("made", [write(tmp_path, b"\n\n".join(lines), "a.jsonl")])
    assert exported(registration, [(0, 2), (0, 1)], tmp_path / "out.jsonl") == lines[1] + b"\n" + lines[2] + b"\n"


def test_parquet_rows_come_back_with_all_columns_and_the_same_schema(tmp_path):
    rows = [{**record(id=str(index)), "blob": bytes([index % 256]) * 10, "score": index / 3} for index in range(300)]
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"huggingface": "features"})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=70)
    registration = Registration.create("made", [tmp_path / "a.parquet"])
    exported(registration, [(0, 299), (0, 5), (0, 69), (0, 70)], tmp_path / "out.parquet")
    out = pq.read_table(tmp_path / "out.parquet")
    source = pq.read_table(tmp_path / "a.parquet")
    assert out.equals(source.take([5, 69, 70, 299]))
    assert out.schema.equals(source.schema, check_metadata=True)


def test_several_files_come_back_as_one_in_their_order(tmp_path):
    paths = [write(tmp_path, [record(id=f"{name}{index}") for index in range(2)], f"{name}.json") for name in "ba"]
    content = exported(Registration.create("made", paths), [(1, 0), (0, 1), (0, 0)], tmp_path / "out.json")
    assert [value["id"] for value in json.loads(content)] == ["b0", "b1", "a0"]


# A record over several lines, with what parsing and writing again would change: digits, escapes, a key given twice.
SPREAD = b'{"id": "s",\r\n\t "n": 1.50, "n": 12345678901234567890123,\n  "conversations": [\n' + (
    b'    {"from": "human", "value": "a\\nb  \\u00e9"}, {"from": "gpt", "value": "x"}]}'
)


def test_the_suffix_decides_between_a_list_and_lines_and_no_byte_of_a_value_changes(tmp_path):
    line = b'{"id":"b" ,"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}'
    paths = [write(tmp_path, b"[" + SPREAD + b"]"), write(tmp_path, line, "b.jsonl")]
    registration = Registration.create("made", paths)
    assert exported(registration, [(1, 0), (0, 0)], tmp_path / "out.json") == b"[" + SPREAD + b",\n" + line + b"]\n"
    assert exported(registration, [(1, 0), (0, 0)], tmp_path / "lines.JSONL") == (
        b'{"id": "s", "n": 1.50, "n": 12345678901234567890123, "conversations": [ '
        b'{"from": "human", "value": "a\\nb  \\u00e9"}, {"from": "gpt", "value": "x"}]}\n' + line + b"\n"
    )


@pytest.mark.parametrize(
    ("name", "file_format", "said"),
    [
        ("out.parquet", None, "stands for Parquet, but the source is a JSON list; add --format parquet to convert"),
        ("out.jsonl", "llava_json", "'llava_json' was asked for; end the name in .json, or use --format llava_jsonl"),
        ("out.json", "parquet", "'parquet' was asked for; end the name in .parquet, or use --format llava_json or sh"),
        ("out.parquet", "sharegpt", "'sharegpt' was asked for; end the name in .json or .jsonl, or use --format parq"),
        ("out.csv", None, "'out.csv' does not say its format; end the name in .json"),
        ("out", "parquet", "'out' does not say its format; end the name in .json"),
        (".json", None, "'.json' does not say its format"),
        ("out.manifest.json", None, "does not say its format; .* and not in .manifest.json"),
    ],
)
def test_a_suffix_that_does_not_say_what_the_file_would_hold_is_refused(tmp_path, name, file_format, said):
    registration = Registration.create("made", [write(tmp_path, [record()])])
    with pytest.raises(OutputError, match=said):
        exported(registration, [(0, 0)], tmp_path / name, file_format)
    assert [path.name for path in tmp_path.iterdir()] == ["train.json"]


def test_parquet_becomes_json_only_with_a_format(tmp_path):
    pq.write_table(pa.Table.from_pylist([record()]), tmp_path / "a.parquet")
    registration = Registration.create("made", [tmp_path / "a.parquet"])
    with pytest.raises(OutputError, match="the source is Parquet; add --format llava_jsonl or sharegpt to convert"):
        exported(registration, [(0, 0)], tmp_path / "out.jsonl")
    assert json.loads(exported(registration, [(0, 0)], tmp_path / "out.jsonl", "sharegpt"))["id"] == "a"


@given(
    st.lists(
        st.text(min_size=1, max_size=30).filter(lambda text: text.strip() and "\x00" not in text),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exporting_all_rows_gives_the_identical_records(tmp_path, answers):
    answers = [answer.replace("<image>", "") or "x" for answer in answers]
    records = [
        record(id=index % 2, conversations=talk("q", answer), extra={"k": [answer]})
        for index, answer in enumerate(answers)
    ]
    registration = Registration.create("made", [write(tmp_path, records)])
    assert json.loads(exported(registration, places_of(registration), tmp_path / "out.json")) == records


def test_the_manifest_stands_beside_the_records(tmp_path):
    registration = Registration.create("made", [write(tmp_path, RECORDS)])
    content = exported(registration, [(0, 0)], tmp_path / "new" / "out.json")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["out.json", "out.manifest.json"]
    manifest = Manifest.read(tmp_path / "new" / "out.manifest.json")
    assert manifest.model_copy(update={"export": None}) == manifest_of(registration)
    assert manifest.export == ExportedFile(file="out.json", sha256=sha256(content).hexdigest(), format="original")


def test_a_changed_source_is_refused_and_nothing_is_written(tmp_path):
    registration = Registration.create("made", [write(tmp_path, RECORDS)])
    manifest = manifest_of(registration)
    write(tmp_path, RECORDS.replace(b"1.50", b"1.51"))
    with pytest.raises(DatasetError, match="train.json changed since the dataset was read"):
        exported(registration, [(0, 0)], tmp_path / "out.json", manifest=manifest)
    assert not (tmp_path / "out.json").exists()


def test_a_row_that_is_not_in_the_source_is_refused_and_the_old_export_stays(tmp_path):
    registration = Registration.create("made", [write(tmp_path, RECORDS)])
    old = exported(registration, [(0, 0)], tmp_path / "out.json")
    with pytest.raises(DatasetError, match="1 of 2 selected records are in the source"):
        exported(registration, [(0, 3), (0, 99)], tmp_path / "out.json")
    assert (tmp_path / "out.json").read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 3


def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path):
    registration = Registration.create("made", [write(tmp_path, RECORDS)])
    with pytest.raises(DatasetError, match="'csv' is not known; use one of llava_json, llava_jsonl, sharegpt, parquet"):
        exported(registration, [(0, 0)], tmp_path / "out.csv", "csv")
