"""Whether files are those that were noted, and those that were last read."""

import hashlib
import json
import os
import time

import pytest

from xmas_assets.data.images import ImageRoot
from xmas_assets.home.file_notes import FileChanges, FileNotes

LATER = time.time_ns() + 10**18
"""A reading that began then finds every file settled."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def images(tmp_path) -> FileNotes:
    """Notes on two images, of which one is not there."""
    (tmp_path / "a.png").write_bytes(b"first")
    notes = FileNotes.of_images(tmp_path / "notes" / "images.json", ImageRoot(tmp_path))
    assert notes.change() == "" and not notes.is_there()
    notes.note({"a.png": sha256(b"first"), "b.png": ""}, began_ns=LATER)
    return notes


def test_images_that_were_touched_or_not_noted_are_the_same(images, tmp_path):
    os.utime(tmp_path / "a.png", ns=(1, 1))
    (tmp_path / "c.png").write_bytes(b"new")
    assert images.change() == ""
    assert images.changes() == FileChanges([], [], [])


def test_another_content_is_a_change_until_the_first_is_back(images, tmp_path):
    (tmp_path / "a.png").write_bytes(b"other")
    other = images.change()
    assert other != "" and images.change() == other
    (tmp_path / "a.png").write_bytes(b"a third")
    assert images.change() not in ("", other)
    (tmp_path / "a.png").write_bytes(b"first")
    assert images.change() == ""


@pytest.mark.parametrize("name", ["a.png", "b.png"])
def test_an_image_that_goes_or_comes_is_a_change(images, tmp_path, name):
    path = tmp_path / name
    path.unlink() if path.exists() else path.write_bytes(b"came")
    assert images.change() != ""


def test_what_came_changed_and_vanished_is_named_until_it_is_read(images, tmp_path):
    (tmp_path / "a.png").write_bytes(b"other")
    (tmp_path / "b.png").write_bytes(b"came")
    assert images.changes() == FileChanges(came=["b.png"], changed=["a.png"], vanished=[])
    change = images.change()
    images.note({"a.png": sha256(b"other"), "b.png": sha256(b"came")}, began_ns=LATER)
    assert images.changes() == FileChanges([], [], [])
    assert images.change() == change  # another version for as long as they are others than at first
    (tmp_path / "b.png").unlink()
    assert images.changes() == FileChanges(came=[], changed=[], vanished=["b.png"])


def test_an_image_that_no_row_names_any_more_changes_nothing_after(images, tmp_path):
    (tmp_path / "a.png").unlink()
    change = images.change()
    images.note({"b.png": ""}, began_ns=LATER)
    assert images.change() == change
    assert images.changes() == FileChanges([], [], [])


def test_only_files_with_another_size_or_time_are_read(images, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(ImageRoot, "read", lambda self, ref: read.append(ref) or b"first")
    assert images.change() == "" and read == []
    os.utime(tmp_path / "a.png", ns=(1, 1))
    assert images.change() == "" and images.change() == "" and read == ["a.png"]


def test_a_file_that_changed_while_it_was_read_is_looked_at_again(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"other")
    notes = FileNotes.of_images(tmp_path / "images.json", ImageRoot(tmp_path))
    notes.note({"a.png": sha256(b"first")}, began_ns=time.time_ns())
    assert notes.changes() == FileChanges(came=[], changed=["a.png"], vanished=[])


def test_a_picture_that_was_refused_and_is_touched_is_the_same(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    notes = FileNotes.of_images(tmp_path / "images.json", ImageRoot(tmp_path))
    notes.note({"a.png": ""}, began_ns=LATER)
    os.utime(tmp_path / "a.png", ns=(1, 1))
    assert notes.change() == ""


def test_a_version_of_a_file_stays_when_it_is_touched_and_comes_back_with_its_content(tmp_path):
    path = tmp_path / "train.json"
    path.write_bytes(b"first")
    os.utime(path, ns=(7, 7))
    notes = FileNotes.of_files(tmp_path / "files.json")
    notes.note({str(path): sha256(b"first")}, began_ns=LATER)
    assert notes.versions() == {str(path): "5:7"}
    os.utime(path, ns=(8, 8))
    assert notes.versions() == {str(path): "5:7"}
    path.write_bytes(b"other")
    notes.note({str(path): sha256(b"other")}, began_ns=LATER)
    os.utime(path, ns=(9, 9))
    assert notes.versions() == {str(path): sha256(b"other")}
    path.unlink()
    assert notes.versions() == {str(path): "missing"}
    path.write_bytes(b"first")
    assert notes.versions() == {str(path): "5:7"}


def test_notes_of_an_earlier_version_are_read(tmp_path):
    """They held a stamp, the hash at that look, and the noted one."""
    (tmp_path / "a.png").write_bytes(b"first")
    status = (tmp_path / "a.png").stat()
    stamp = f"{status.st_size}:{status.st_mtime_ns}"
    path = tmp_path / "images.json"
    path.write_text(json.dumps({"a.png": [stamp, sha256(b"first"), sha256(b"before")]}))
    others = [("a.png", sha256(b"first"))]
    notes = FileNotes.of_images(path, ImageRoot(tmp_path))
    assert notes.change() == sha256(repr(others).encode())
