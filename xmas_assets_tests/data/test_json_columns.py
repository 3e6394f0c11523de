"""One JSON object of lists by column: how it is known from a record, and what is refused."""

import gzip
import json

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data import json_columns, json_slices
from xmas_assets.data.readers import detect_container
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import read, talk, write

A, B = talk("What?", "This."), talk("And?", "That.", "Sure?", "Yes.")
STRUCTS = [{name: [turn[name] for turn in turns] for name in ("from", "value")} for turns in (A, B)]


def read_text(folder, text: str | bytes, name: str = "a.json", **fields):
    return read(Registration.create("made", [write(folder, text, name)], **fields))


@pytest.mark.parametrize(
    "columns",
    [
        {"conversations": [A, B]},
        {"conversations": [json.dumps(A), json.dumps(B)]},
        {"conversations": STRUCTS},
        {"id": [1, 2], "note": [{"x": 1}, None], "conversations": [A, B]},
        {"instruction": ["What?", "And?"], "output": ["This.", "That."]},
        {"note": [[], [1]], "question": ["What?", "And?"], "answer": ["This.", "That."]},
        {"texts": [[{"user": "What?", "assistant": "This."}], [{"user": "And?", "assistant": "That."}]]},
    ],
)
def test_lists_by_column_are_known_by_the_whole_conversations_in_them(tmp_path, columns):
    result = read_text(tmp_path, json.dumps(columns))
    assert [row["turns"][0]["text"] for row in result.samples] == ["What?", "And?"]
    assert [row["source_row"] for row in result.samples] == [0, 1]


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": A},
        {"images": [], "conversations": A},
        {"conversations": A, "images": [{"path": None}]},
        {"texts": [{"user": "What?", "assistant": "This."}]},
        {"note": ["x"], "prompt": A[:1], "completion": A[1:]},
    ],
)
def test_a_record_of_lists_is_a_record(tmp_path, record):
    assert detect_container(write(tmp_path, json.dumps(record) + "\n", "a.jsonl")) == "lines"
    assert len(read_text(tmp_path, json.dumps(record) + "\n", "a.jsonl").samples) == 1


def test_columns_under_other_names_are_read_as_ours(tmp_path):
    text = json.dumps({"name": ["x", "y"], "dialog": [A, B]})
    result = read_text(tmp_path, text, columns={"dialog": "conversations", "name": "id"})
    assert [row["sample_id"] for row in result.samples] == ["x", "y"]
    with pytest.raises(DatasetError, match="no conversation among its columns: the fields 'name', 'dialog' are seen"):
        read_text(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            json.dumps({"id": [1, 2, 3], "conversations": [A, B]}),
            r"^a.json: its columns are of unequal length \('id' has 3, 'conversations' has 2\); write a value of each",
        ),
        ('{"id": [1], "id": [2], "conversations": [[]]}', "^a.json: column 'id' stands there twice; repair the file$"),
        (
            json.dumps({f"c{number}": [1] for number in range(65)} | {"conversations": [A]}),
            "^a.json: column 'c64' is one of more than 64; repair the file$",
        ),
    ],
)
def test_columns_that_do_not_fit_are_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(DatasetError, match=said) as refused:
        read_text(tmp_path, text)
    assert "\n" not in str(refused.value)


def test_a_value_that_is_no_json_names_its_record(tmp_path):
    text = json.dumps({"id": [1, 2], "conversations": [A, B]}).replace("[1, 2]", "[1, oops]")
    with pytest.raises(DatasetError, match="record 1 at byte 11 is not valid JSON"):
        read_text(tmp_path, text)


def test_a_cut_off_object_of_columns_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="cut off"):
        read_text(tmp_path, json.dumps({"id": [1, 2], "conversations": [A, B]})[:-9])


def test_bad_rows_are_set_aside_alone_with_their_text(tmp_path):
    columns = {"id": [1, 2**70, True], "conversations": [A, B, A]}
    result = read_text(tmp_path, json.dumps(columns))
    assert [row["source_id"] for row in result.samples] == ["1", str(2**70)]
    (refused,) = result.quarantine
    assert (refused["reason"], refused["source_row"]) == ("bad_id", 2)
    assert json.loads(refused["raw"]) == {"id": True, "conversations": A}


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_values_are_read_through_windows_smaller_than_a_column(tmp_path, monkeypatch, name):
    monkeypatch.setattr(json_slices, "_CHUNK_BYTES", 50)
    columns = {"id": list(range(300)), "note": ["x" * (number % 70) for number in range(300)], "messages": [A, B] * 150}
    text = json.dumps(columns).encode()
    result = read_text(tmp_path, gzip.compress(text) if name.endswith("gz") else text, name)
    assert [row["sample_id"] for row in result.samples] == [str(number) for number in range(300)]
    assert [row["n_turns"] for row in result.samples] == [1, 2] * 150


def test_a_value_too_large_to_hold_is_set_aside_alone(tmp_path, monkeypatch):
    for module in (json_slices, json_columns):
        monkeypatch.setattr(module, "MAX_RECORD_BYTES", 400)
    monkeypatch.setattr(json_slices, "_CHUNK_BYTES", 100)
    columns = {"id": [1, 2], "conversations": [talk("What?", "x" * 3000), A]}
    result = read_text(tmp_path, json.dumps(columns))
    assert [row["sample_id"] for row in result.samples] == ["2"]
    assert [row["reason"] for row in result.quarantine] == ["too_large"]
