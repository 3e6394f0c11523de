"""Refused records stay where they can be looked at and got back, also where no other is left."""

import json
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import DatasetError, NoRowsError, OutputError, SettingsError, StoreError
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets.stages.refused import refused_reasons, refused_rows, say_refused, write_refused
from xmas_assets_tests.data.making import image_root, record, seen, talk, write

LINES = [
    json.dumps(seen(id="good")),
    json.dumps(seen(id="gone", image="b.png")),
    '{"id": "silent",  "conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": ""}]}',
    '{"id": oops}',
    json.dumps(seen(id="also gone", image="c\x1b.png")),
]


@pytest.fixture
def home(tmp_path) -> Home:
    return Home.open(tmp_path / "home")


def read(home: Home, lines: list[str], **fields) -> Path:
    """Register these lines as dataset ``made`` and read it as its asset does; returns its file."""
    folder = home.root.parent
    path = write(folder, "\n".join(lines), "train.jsonl")
    Registration.create("made", [path], images=image_root(folder), **fields).save(home.root)
    staged = stage_dataset(home.path("work"), home, "made", progress=lambda progress: None)
    home.put("raw_dataset", "made", staged)
    return path


def test_each_reason_is_shown_with_how_often_and_where_and_why_first(home):
    read(home, LINES)
    first, second, third = refused_reasons(home, "made").drop("raw").rows()
    assert first == ("annotations", "image_missing", 2, "train.jsonl", 1, "'b.png' does not exist")
    assert second == ("annotations", "empty_answer", 1, "train.jsonl", 2, "turn 1 of the assistant is empty")
    assert third[:5] == ("annotations", "bad_json", 1, "train.jsonl", 3)
    assert "column 8" in third[5]
    said: list[str] = []
    say_refused(home, "made", say=said.append)
    assert said[0] == (
        "  refused in annotations as image_missing: 2; the first is record 1 of train.jsonl: 'b.png' does not exist"
    )
    assert said[-1] == "  all of them: xmas dataset refused made"


def test_the_rows_of_a_reason_are_escaped_and_cut(home):
    read(home, [*LINES, json.dumps(record(id="long", conversations=talk("x" * 5000, "")))])
    rows = refused_rows(home, "made", reason="image_missing")
    assert rows.select("source_row", "source_id", "detail").rows() == [
        (1, "gone", "'b.png' does not exist"),
        (4, "also gone", "'c\\x1b.png' does not exist"),
    ]
    assert refused_rows(home, "made", reason="empty_answer")["raw"].str.len_chars().to_list() == [len(LINES[2]), 2000]


def test_a_reason_that_refused_nothing_names_those_that_did(home):
    read(home, LINES)
    with pytest.raises(SettingsError, match="'image_mising'; did you mean 'image_missing'"):
        refused_rows(home, "made", reason="image_mising")
    read(home, LINES[:1])
    with pytest.raises(SettingsError, match="none was refused at all"):
        refused_rows(home, "made", reason="image_missing")
    said: list[str] = []
    say_refused(home, "made", say=said.append)
    assert said == []


def test_records_are_kept_where_all_are_refused_and_until_some_are_not(home):
    read(home, LINES)
    with pytest.raises(NoRowsError, match=r"all 4 records of annotations were refused: .*; see: xmas dataset refused"):
        read(home, LINES[1:])
    assert refused_rows(home, "made")["source_row"].to_list() == [0, 1, 2, 3]
    assert home.stored("raw_dataset", "made")["samples"].n_rows == 1  # the earlier reading is not lost
    read(home, LINES[:2])
    assert refused_rows(home, "made")["source_row"].to_list() == [1]


def test_test_and_validation_records_are_shown_as_what_they_are(home):
    folder = home.root.parent
    test, validation = (write(folder, LINES[2], f"{name}.jsonl") for name in ("test", "validation"))
    with pytest.raises(NoRowsError):
        read(home, LINES[:1], test=[test], validation=[validation])
    with pytest.raises(NoRowsError):
        stage_dataset(home.path("work"), home, "made", section="validation", progress=lambda progress: None)
    assert refused_rows(home, "made").select("files", "file", "source_row").rows() == [
        ("test", "test.jsonl", 0),
        ("validation", "validation.jsonl", 0),
    ]


def test_the_original_records_are_written_byte_by_byte(home, tmp_path):
    read(home, LINES)
    assert write_refused(home, "made", to=tmp_path / "all.jsonl") == (4, 1)
    assert (tmp_path / "all.jsonl").read_text().splitlines() == [*LINES[1:3], json.dumps(LINES[3]), LINES[4]]
    assert write_refused(home, "made", to=tmp_path / "one.jsonl", reason="empty_answer") == (1, 0)
    assert (tmp_path / "one.jsonl").read_text() == LINES[2] + "\n"


def test_records_that_are_others_by_now_are_not_written(home, tmp_path):
    path = read(home, LINES)
    path.write_text("\n".join(LINES[1:]), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"train\.jsonl changed since made was read; restore it"):
        write_refused(home, "made", to=tmp_path / "all.jsonl")
    assert not (tmp_path / "all.jsonl").exists()


def test_a_dataset_that_was_not_read_has_no_refused_records_yet(home, tmp_path):
    Registration.create("made", [write(tmp_path, LINES[0], "t.jsonl")]).save(home.root)
    with pytest.raises(StoreError, match=r"made was not read yet; .*xmas select made"):
        refused_rows(home, "made")


def test_an_export_takes_no_place_of_another_file(home, tmp_path):
    path = read(home, LINES)
    with pytest.raises(OutputError, match="is there already|an input"):
        write_refused(home, "made", to=path)
    assert path.read_text() == "\n".join(LINES)
