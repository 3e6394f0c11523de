"""Notes of ours that were damaged, cut short, swapped or made huge: bounded, in one line, with a way on."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import StoreError, XmasError
from xmas_assets.data.images import ImageRoot
from xmas_assets.files.notes import read_note
from xmas_assets.files.usage_notes import read_usage
from xmas_assets.home.addresses import Addresses
from xmas_assets.home.file_notes import FileNotes
from xmas_assets.home.home import Home
from xmas_assets.training.run_directory import RunDirectory

DAMAGED = {
    "empty": b"",
    "cut short": b'{"key": "a", "cpu_sec',
    "deep": b"[" * 300_000,
    "of another kind": b"[1, 2]",
    "of other names": b'{"a": {"b": 1}}',
    "a number": b"7",
    "a number of 5000 digits": b'{"cpu_seconds": ' + b"1" * 5000 + b"}",
    "no text": b"\xff\xfe\x00",
}


READERS: dict[str, Callable[[Path], object]] = {
    "usage.json": read_usage,
    "images.json": lambda path: FileNotes.of_images(path, ImageRoot(path.parent, path.parent)).change(),
    "run.json": lambda path: RunDirectory(path.parent, run="a"),
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_note_is_named_in_one_line_with_what_to_do(tmp_path: Path, name: str, damage: str):
    path = tmp_path / name
    path.write_bytes(DAMAGED[damage])
    with pytest.raises(XmasError, match=r"; (delete|remove) ") as caught:
        READERS[name](path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_addresses_of_the_uis_are_as_none(tmp_path: Path, damage: str):
    home = Home.open(tmp_path / "home")
    Addresses("http://127.0.0.1:1", "http://127.0.0.1:2").save(home)
    assert Addresses.read(home) == ("http://127.0.0.1:1", "http://127.0.0.1:2")
    (home.root / "ui.json").write_bytes(DAMAGED[damage])
    assert Addresses.read(home) is None


def test_a_note_that_is_huge_or_no_file_is_refused_and_neither_read_nor_waited_for(tmp_path: Path):
    with (tmp_path / "huge.json").open("wb") as stream:
        stream.truncate(2**40)  # holes, no disk
    os.mkfifo(tmp_path / "pipe.json")
    for name, said in (("huge", "more than 268,435,456"), ("pipe", "not a regular file")):
        with pytest.raises(ValueError, match=said):
            read_note(tmp_path / f"{name}.json")
        with pytest.raises(StoreError, match="damaged"):
            read_usage(tmp_path / f"{name}.json")
