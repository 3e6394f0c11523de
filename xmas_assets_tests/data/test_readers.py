import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.readers import detect_container, read_records
from xmas_assets_tests.data.making import read_records_of, record, write


@pytest.mark.parametrize(
    ("content", "container"),
    [
        (b'[{"id": 1}]', "list"),
        (b"\xef\xbb\xbf\n [ ]", "list"),
        (b'{"id": 1}\n{"id": 2}\n', "lines"),
        (b'{"messages": []}', "lines"),
        (b'{"messages": [[]]}', "columns"),
    ],
)
def test_a_files_container_is_told_by_its_content_not_its_name(tmp_path, content, container):
    assert detect_container(write(tmp_path, content, "data.bin")) == container


@pytest.mark.parametrize("content", [b'{"pets": [{"id": 1}]}', b'{\n "pets": []\n}\n'], ids=["one-line", "many-lines"])
def test_an_object_at_the_top_level_is_refused(tmp_path, content):
    with pytest.raises(DatasetError, match="train.json: the top level is .*object.*give a JSON list"):
        detect_container(write(tmp_path, content))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_utf16_is_refused_with_the_remedy(tmp_path, encoding):
    path = write(tmp_path, json.dumps([record()]).encode(encoding))
    with pytest.raises(DatasetError, match="convert it to UTF-8"):
        detect_container(path)


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, content):
    with pytest.raises(DatasetError, match="holds no records"):
        detect_container(write(tmp_path, content))


def test_a_file_that_is_neither_json_nor_parquet_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="of no form that is read .*PK"):
        detect_container(write(tmp_path, b"PK\x03\x04zip"))


def test_a_format_other_than_the_registered_one_is_refused(tmp_path):
    path = write(tmp_path, [record()])
    with pytest.raises(DatasetError, match="train.json: is a JSON list, but format 'llava_jsonl' is registered"):
        list(read_records((path,), "llava_jsonl"))


def test_llava_and_sharegpt_records_mixed_in_one_file_are_both_read(tmp_path):
    sharegpt = {
        "id": "s",
        "messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}],
        "images": [],
    }
    result = read_records_of(tmp_path, [record(), sharegpt])
    assert [[turn["text"] for turn in row["turns"]] for row in result.samples] == [
        ["What is it?", "A cat."],
        ["Who?", "Me."],
    ]


def test_several_files_of_several_formats_are_read_in_their_order(tmp_path):
    lines = "\n".join(json.dumps(record(id=name)) for name in "cd")
    table = pa.Table.from_pylist([record(id="e")])
    pq.write_table(table, tmp_path / "c.parquet")
    paths = (
        write(tmp_path, [record(id="a"), record(id="b")]),
        write(tmp_path, lines, "b.jsonl"),
        tmp_path / "c.parquet",
    )
    places = [(item.source_file, item.source_row, item.value["id"]) for item in read_records(paths)]
    assert places == [(0, 0, "a"), (0, 1, "b"), (1, 0, "c"), (1, 1, "d"), (2, 0, "e")]


def test_a_fifo_as_annotation_file_is_refused_without_waiting(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DatasetError, match="not a regular file"):
        detect_container(tmp_path / "pipe.json")


def test_shell_characters_in_a_path_reach_no_shell(tmp_path):
    name = "a; touch PWNED $(touch PWNED) `touch PWNED` & b.json"
    result = read_records_of(tmp_path, [record()], name=name)
    assert len(result.samples) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == [name]
