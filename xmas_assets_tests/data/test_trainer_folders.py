"""Where an export for a tool may go, what stops it, and that nothing but the subset decides its bytes."""

import hashlib
import os
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import DatasetError, ImageError, OutputError
from xmas_assets.data.registration import Registration
from xmas_assets.data.trainers.registry import TOOLS
from xmas_assets_tests.data.subsets import NAME, PICTURES, TrapDataset, named_pictures, read_json


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_same_subset_gives_the_same_bytes_and_replaces_what_nobody_changed(made, out, tool):
    made.export(tool, out, scores=True)
    first = files_of(out)
    os.utime(made.root / "pictures" / "a.png", (1, 1))
    made.export(tool, out, scores=True)
    assert files_of(out) == first
    assert {path.name for path in out.parent.iterdir()} == {"out"}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_note_holds_the_hashes_of_all_that_is_in_the_folder(made, out, tool):
    made.export(tool, out)
    noted = read_json(out / "xmas_export.json")["files"]
    assert set(noted) == {path.name for path in out.iterdir()} - {"xmas_export.json"}
    single = {name: sha256 for name, sha256 in noted.items() if (out / name).is_file()}
    assert single == {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in single}
    assert f"{NAME}.manifest.json" in single


CHANGES = {
    "file changed": lambda out: (out / "README.md").write_text("mine"),
    "file added": lambda out: (out / "mine.txt").write_text("mine"),
    "file gone": lambda out: (out / "README.md").unlink(),
    "picture changed": lambda out: (out / "images" / "deep" / "b c.jpg").write_bytes(b"mine"),
    "picture added": lambda out: (out / "images" / "deep" / "mine.jpg").write_bytes(b"mine"),
    "picture gone": lambda out: (out / "images" / "a.png").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_was_changed_is_never_replaced(made, out, change):
    made.export("llava", out)
    CHANGES[change](out)
    before = files_of(out)
    with pytest.raises(
        OutputError, match="is not empty and was changed since it was exported; give a new or empty folder"
    ):
        made.export("llava", out)
    assert files_of(out) == before


def test_a_strangers_folder_and_an_input_are_never_replaced(made, out):
    before = files_of(made.root)
    for folder in (made.root, made.root / "pictures", made.root / "train.json"):
        with pytest.raises(OutputError, match="is not an earlier export|is a source file of"):
            made.export("llava", folder)
    assert files_of(made.root) == before


@pytest.mark.parametrize("files", ["copy", "link", "leave", "embed"])
def test_a_picture_that_changed_or_is_gone_stops_the_export_and_nothing_is_left(made, out, files):
    tool = "openai" if files == "embed" else "llava"
    picture = made.root / "pictures" / "deep" / "b c.jpg"
    picture.write_bytes(PICTURES["a.png"])
    with pytest.raises(ImageError, match="image_changed: 'deep/b c.jpg' changed since the dataset was read"):
        made.export(tool, out, image_files=files)
    picture.unlink()
    with pytest.raises(ImageError, match="image_missing: 'deep/b c.jpg' does not exist"):
        made.export(tool, out, image_files=files)
    assert list(out.parent.iterdir()) == []


def test_a_changed_source_stops_the_export(made, out):
    made.registration.annotations[0].write_text("[]")
    with pytest.raises(DatasetError, match="train.json changed since the dataset was read"):
        made.export("ids", out)
    assert not out.parent.exists()


def test_a_way_that_a_form_does_not_have_is_refused(made, out):
    with pytest.raises(OutputError, match="pictures for hf cannot be 'link'; use embed"):
        made.export("hf", out, image_files="link")
    with pytest.raises(OutputError, match="pictures for llava cannot be 'embed'; use copy or link or leave"):
        made.export("llava", out, image_files="embed")


def test_a_subset_of_which_the_tool_reads_no_row_is_refused(made, out):
    with pytest.raises(
        OutputError, match="LLaMA-Factory would read no row of made_random_b0.20_s0: the text holds <video>"
    ):
        made.export("llamafactory", out, rows=slice(4, 5))


def test_pictures_that_came_as_bytes_are_files_of_the_export_named_by_their_content(tmp_path):
    made = TrapDataset(tmp_path)
    made.export("hf", tmp_path / "hf")
    again = TrapDataset.of(
        Registration.create("made", [next((tmp_path / "hf" / "data").iterdir())]), tmp_path / "store"
    )
    again.export("llava", tmp_path / "llava", image_files="leave")
    (named,) = named_pictures("llava", tmp_path / "llava")[3]
    digest = hashlib.sha256(PICTURES["dots.in.name.webp"]).hexdigest()
    assert named == f"images/{digest[:2]}/{digest}.webp"
    assert (tmp_path / "llava" / named).read_bytes() == PICTURES["dots.in.name.webp"]
