"""A dataset's files that come, change or vanish make it stale; those that are only touched do not."""

import json
import os
import shutil

import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets.stages.file_changes import FileChange, file_changes, note_stored_files, say_file_changes
from xmas_assets_tests.data.making import image_root, picture, seen, write


@pytest.fixture
def home(tmp_path) -> Home:
    """A home with dataset ``made``: a training and a validation record of one image each, and one image missing."""
    home = Home.open(tmp_path / "home")
    lines = [json.dumps(seen(id="a")), json.dumps(seen(id="b", image="b.png"))]
    files = {
        "annotations": [write(tmp_path, "\n".join(lines), "train.jsonl")],
        "validation": [write(tmp_path, json.dumps(seen(id="v", image="v.png")), "validation.jsonl")],
    }
    images = image_root(tmp_path, v_png=picture("blue"))
    Registration.create("made", files.pop("annotations"), images=images, **files).save(home.root)
    read(home)
    return home


def read(home: Home) -> str:
    """Read the dataset as its assets do; returns the version of its rows."""
    for asset, section in (("raw_dataset", "source"), ("validation_samples", "validation")):
        workspace = home.path("work", "reading", asset)
        staged = stage_dataset(workspace, home, "made", section=section, progress=lambda progress: None)
        home.put(asset, "made", staged)
    return home.stored("raw_dataset", "made").version


def test_files_that_are_touched_make_nothing_stale(home, tmp_path):
    before = current_versions(home, "made")
    for path in (*tmp_path.glob("*.jsonl"), *tmp_path.glob("images/*.png")):
        os.utime(path, ns=(1, 1))
    assert current_versions(home, "made") == before
    assert file_changes(home, "made") == []


def test_a_changed_image_makes_the_rows_that_show_it_stale_until_they_are_read(home, tmp_path):
    before, rows = current_versions(home, "made"), home.stored("raw_dataset", "made").version
    original = (tmp_path / "images" / "a.png").read_bytes()
    (tmp_path / "images" / "a.png").write_bytes(picture("green"))
    changed = current_versions(home, "made")
    assert {section for section in before if changed[section] != before[section]} == {"source"}
    assert file_changes(home, "made") == [FileChange("source images", "changed", 1, ["a.png"])]
    said: list[str] = []
    say_file_changes(home, "made", say=said.append)
    assert said == ["  source images that changed since made was read: 1; first a.png"]
    assert read(home) != rows
    assert file_changes(home, "made") == []
    assert current_versions(home, "made") == changed
    (tmp_path / "images" / "a.png").write_bytes(original)
    assert current_versions(home, "made") == before
    assert read(home) == rows


def test_an_image_that_comes_and_one_that_vanishes_are_named(home, tmp_path):
    (tmp_path / "images" / "b.png").write_bytes(picture())
    (tmp_path / "images" / "v.png").unlink()
    assert file_changes(home, "made") == [
        FileChange("source images", "came", 1, ["b.png"]),
        FileChange("validation images", "vanished", 1, ["v.png"]),
    ]


def test_a_file_of_records_that_changed_or_vanished_is_named(home, tmp_path):
    before = current_versions(home, "made")
    train = tmp_path / "train.jsonl"
    train.write_text(train.read_text() + "\n")
    (tmp_path / "validation.jsonl").unlink()
    assert file_changes(home, "made") == [
        FileChange("source records", "changed", 1, [str(train)]),
        FileChange("validation records", "vanished", 1, [str(tmp_path / "validation.jsonl")]),
    ]
    after = current_versions(home, "made")
    assert {section for section in before if after[section] != before[section]} == {"source", "validation"}


def test_what_an_earlier_version_read_is_noted_from_its_rows_without_a_new_version(home, tmp_path):
    shutil.rmtree(home.root / "work" / "seen_files")
    before = current_versions(home, "made")
    (tmp_path / "images" / "v.png").write_bytes(picture("green"))
    note_stored_files(home, "made")
    assert file_changes(home, "made") == [FileChange("validation images", "changed", 1, ["v.png"])]
    assert current_versions(home, "made")["source"] == before["source"]


def test_a_dataset_that_was_not_read_has_no_files_that_changed(home, tmp_path):
    Registration.create("new", [tmp_path / "train.jsonl"]).save(home.root)
    assert file_changes(home, "new") == []
    with pytest.raises(StoreError, match="new was not read yet; .*xmas select new"):
        note_stored_files(home, "new")
