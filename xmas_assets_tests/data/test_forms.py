"""The same records in every form of file are read as from a JSON list."""

import csv
import gzip
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import DatasetError, OutputError, SettingsError
from xmas_assets.data import source_bytes
from xmas_assets.data.json_slices import WRAPPERS
from xmas_assets.data.readers import FORMS, detect_container
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import exported, image_root, picture, read, record, seen, talk, write

RECORDS = [
    seen(id="1", task="pets"),
    seen(id="2", image="b.png", conversations=talk('<image>Say "a, b"\nor ü?', "é\tü")),
    record(id="3", image=None, conversations=talk("No picture?", "None.")),
]


def lines() -> bytes:
    return "\n".join(json.dumps(item) for item in RECORDS).encode() + b"\n"


def table() -> pa.Table:
    return pa.Table.from_pylist([{"task": None, **item} for item in RECORDS])


def separated(separator: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["id", "image", "conversations", "task"])
    for item in RECORDS:
        turns = json.dumps(item["conversations"], ensure_ascii=False)
        writer.writerow([item["id"], item["image"], turns, item.get("task", "")])
    return text.getvalue().encode()


def arrow(*, as_file: bool) -> bytes:
    stream = io.BytesIO()
    with (pa.ipc.new_file if as_file else pa.ipc.new_stream)(stream, table().schema) as writer:
        writer.write_table(table())
    return stream.getvalue()


def parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(table(), stream)
    return stream.getvalue()


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for row, item in enumerate(RECORDS):
            data = json.dumps(item).encode()
            member = tarfile.TarInfo(f"{row}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def by_column() -> bytes:
    """As ``to_dict`` of pandas and ``datasets`` gives it."""
    names = ("id", "image", "task", "conversations")
    return json.dumps({name: [item.get(name) for item in RECORDS] for name in names}).encode()


FILES = {
    "list.json": lambda: json.dumps(RECORDS).encode(),
    "list.json.gz": lambda: gzip.compress(json.dumps(RECORDS).encode()),
    "lines.jsonl": lines,
    "lines.jsonl.gz": lambda: gzip.compress(lines()),
    "parquet": parquet,
    "stream.arrow": lambda: arrow(as_file=False),
    "file.arrow": lambda: arrow(as_file=True),
    "table.csv": lambda: separated(","),
    "table.tsv": lambda: separated("\t"),
    "table.csv.gz": lambda: gzip.compress(separated(",")),
    "shard.tar": tar,
    "columns.json": by_column,
    "columns.json.gz": lambda: gzip.compress(by_column()),
    "indented columns.json": lambda: json.dumps(json.loads(by_column()), indent=1).encode(),
    "bom columns.json": lambda: b"\xef\xbb\xbf \n" + by_column(),
    "bom.csv": lambda: b"\xef\xbb\xbf" + separated(","),
    "indented.json": lambda: json.dumps({"info": "x, {y}", "data": RECORDS, "n": {"a": [1]}}, indent=1).encode(),
    **{f"{name}.json": lambda name=name: json.dumps({"version": 1, name: RECORDS}).encode() for name in WRAPPERS},
}


def rows_of(folder: Path, *files: Path) -> list[dict]:
    root = image_root(folder, b_png=picture("blue"))
    result = read(Registration.create("made", list(files), images=root))
    assert result.quarantine == []
    return [{name: row[name] for name in ("sample_id", "task", "images", "turns", "digest")} for row in result.samples]


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_form_gives_the_rows_of_the_json_list(tmp_path, name):
    reference = rows_of(tmp_path, write(tmp_path, RECORDS))
    assert [row["sample_id"] for row in reference] == ["1", "2", "3"]
    assert [row["task"] for row in reference] == ["pets", None, None]
    assert rows_of(tmp_path, write(tmp_path, FILES[name](), name)) == reference


def test_every_form_that_is_read_is_tried(tmp_path):
    assert {detect_container(write(tmp_path, make(), name)) for name, make in FILES.items()} == set(FORMS)


@pytest.mark.parametrize("name", ["list.json.gz", "lines.jsonl.gz", "table.csv.gz", "stream.arrow", "file.arrow"])
def test_a_file_cut_off_is_refused(tmp_path, name):
    path = write(tmp_path, FILES[name]()[:-30], name)
    with pytest.raises(DatasetError, match=f"{name}: (damaged|at byte).*(get|repair)"):
        rows_of(tmp_path, path)


def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source_bytes, "_FREE_BYTES", 1000)
    path = write(tmp_path, gzip.compress(json.dumps([record(note="x" * 3_000_000)]).encode()), "bomb.json.gz")
    with pytest.raises(DatasetError, match="unpacks to more than 200 times its size; .*gunzip"):
        rows_of(tmp_path, path)


def test_a_row_of_a_table_with_too_many_cells_or_no_utf8_is_set_aside_alone(tmp_path):
    data = b"id,question,answer\n1,a,b\n2,a,b,c\n3,\xff,b\n\n4,a,b\n"
    result = read(Registration.create("made", [write(tmp_path, data, "a.csv")]))
    assert [row["source_id"] for row in result.samples] == ["1", "4"]
    assert [(item["source_row"], item["reason"]) for item in result.quarantine] == [
        (1, "bad_value"),
        (2, "bad_encoding"),
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [(b"id,question,solution\n", "needs 'answer' too"), (b"question,answer,answer\n", "stands there twice")],
)
def test_a_table_whose_columns_hold_no_conversation_is_refused(tmp_path, header, said):
    with pytest.raises(DatasetError, match=said):
        rows_of(tmp_path, write(tmp_path, header + b"a,b,c\n", "a.csv"))


@pytest.mark.parametrize("name", ["table.csv", "stream.arrow", "columns.json"])
def test_rows_of_a_table_are_exported_in_another_form_only(tmp_path, name):
    root = image_root(tmp_path, b_png=picture("blue"))
    registration = Registration.create("made", [write(tmp_path, FILES[name](), name)], images=root)
    with pytest.raises(OutputError, match=f"{name} is .*cannot be copied unchanged; add --format llava_json"):
        exported(registration, [(0, 1)], tmp_path / "out.json")
    rows = json.loads(exported(registration, [(0, 1)], tmp_path / "out.json", "llava_json"))
    assert rows == [{"id": "2", "image": "b.png", "conversations": RECORDS[1]["conversations"]}]


@pytest.mark.parametrize("name", ["list.json.gz", "lines.jsonl.gz", "indented.json"])
def test_packed_and_wrapped_records_are_exported_as_they_are(tmp_path, name):
    registration = Registration.create("made", [write(tmp_path, FILES[name](), name)], images=image_root(tmp_path))
    assert json.loads(exported(registration, [(0, 1)], tmp_path / "out.jsonl")) == RECORDS[1]


# Patterns and folders.


def shard(path: Path, name: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([record(id=name)]), path)
    return path


def names(**fields) -> list[str]:
    return [path.name for path in Registration.create("made", **fields).annotations]


def test_a_pattern_stands_for_the_files_that_match_in_the_order_of_their_names(tmp_path):
    for number in (2, 0, 10, 1):
        shard(tmp_path / f"train-{number:05d}.parquet", str(number))
    found = names(annotations=[tmp_path / "train-*.parquet"])
    assert found == [f"train-{number:05d}.parquet" for number in (0, 1, 2, 10)]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    assert names(annotations=[write(tmp_path, [record()], "a[1].json")]) == ["a[1].json"]


def test_a_pattern_that_matches_nothing_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no file matches .*x-\\*.json"):
        Registration.create("made", [tmp_path / "x-*.json"])


@pytest.mark.parametrize("below", ["", "data"])
def test_a_folder_stands_for_the_files_of_the_split(tmp_path, below):
    for name in ("train-00001-of-00002", "train-00000-of-00002", "test-00000-of-00001", "validation"):
        shard(tmp_path / below / f"{name}.parquet", name)
    made = Registration.create("made", [tmp_path], test=[tmp_path], validation=[tmp_path])
    assert [path.stem for path in made.annotations] == ["train-00000-of-00002", "train-00001-of-00002"]
    assert [path.stem for path in (*made.test, *made.validation)] == ["test-00000-of-00001", "validation"]


def test_a_folder_of_files_of_several_forms_is_refused(tmp_path):
    shard(tmp_path / "a.parquet", "a")
    write(tmp_path, [record()], "b.json")
    with pytest.raises(SettingsError, match=r"several forms \(.json, .parquet\)"):
        Registration.create("made", [tmp_path])


def test_a_dataset_repository_names_its_files_in_the_head_of_its_card(tmp_path):
    shard(tmp_path / "a" / "x-1.parquet", "1")
    shard(tmp_path / "b.parquet", "2")
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: a/x-*\n"
        "  - split: test\n    path:\n    - b.parquet\n---\n# Card\n"
    )
    made = Registration.create("made", [tmp_path], test=[tmp_path])
    assert [path.name for path in (*made.annotations, *made.test)] == ["x-1.parquet", "b.parquet"]
    with pytest.raises(SettingsError, match="names files for train, test, none for 'validation'"):
        Registration.create("made", [tmp_path], validation=[tmp_path])


@pytest.mark.parametrize("path", ["../secret.json", "/etc/passwd"])
def test_a_card_that_names_files_outside_its_folder_is_refused(tmp_path, path):
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n- data_files: {path}\n---\n")
    with pytest.raises(SettingsError, match="leads out of it"):
        Registration.create("made", [tmp_path])


def test_a_folder_of_save_to_disk_stands_for_the_files_of_its_state(tmp_path):
    """As ``datasets`` 5.2 writes it: a dict of splits, each with its state and its Arrow streams."""
    for split in ("train", "test"):
        folder = tmp_path / split
        folder.mkdir()
        (folder / "data-00000-of-00001.arrow").write_bytes(arrow(as_file=False))
        (folder / "old.arrow").write_bytes(b"left over")
        (folder / "dataset_info.json").write_text("{}")
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert rows_of(tmp_path, tmp_path) == rows_of(tmp_path, write(tmp_path / "json", RECORDS))
    with pytest.raises(SettingsError, match="none is named 'validation'"):
        Registration.create("made", [tmp_path], validation=[tmp_path])
