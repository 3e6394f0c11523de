"""Where an export may go: it replaces an earlier export of ours, and never anything else."""

import hashlib
import json
import os
import socket
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import OutputError
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.outputs import write_new_file
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.export_world import World, hard_link, link
from xmas_assets_tests.data.making import exported, write

EXPORT = (
    b'[{"id": "0", "conversations": [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A cat."}]}]\n'
)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def made_by(make, path: Path) -> Path:
    make(path)
    return path


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def registered_export(world: World) -> Path:
    """An unchanged export of ours that is the source of another dataset now."""
    world.export(world.root / "sub.json")
    Registration.create("small", [world.root / "sub.json"]).save(world.home)
    return world.root / "sub.json"


def registered_and_gone(world: World) -> Path:
    (world.data / "other.json").unlink()
    return world.data / "other.json"


NEVER = {
    "annotations": (lambda world: world.data / "a.json", "source file of dataset 'made'"),
    "second shard": (lambda world: world.data / "b.json", "source file of dataset 'made'"),
    "test": (lambda world: world.data / "test.json", "source file of dataset 'made'"),
    "validation": (lambda world: world.data / "validation.json", "source file of dataset 'made'"),
    "another dataset's": (lambda world: world.data / "other.json", "source file of dataset 'other'"),
    "a source that is gone": (registered_and_gone, "source file of dataset 'other'"),
    "an export that is a source now": (registered_export, "source file of dataset 'small'"),
    "picture": (lambda world: world.data / "images" / "a.json", "is read by dataset 'made'"),
    "model": (lambda world: world.data / "model" / "config.json", "is read by dataset 'made'"),
    "file of the home": (lambda world: world.home / "addresses.json", "belongs to XMAS_HOME"),
    "registration": (lambda world: world.home / "datasets" / "made.yaml", "does not say its format"),
    "table": (lambda world: world.home / "tables" / "raw_dataset" / "k.json", "inside a folder of XMAS_HOME"),
    "new file among the tables": (lambda world: world.home / "tables" / "new.json", "inside a folder of XMAS_HOME"),
    "link to a source": (lambda world: link(world.root / "l.json", world.data / "a.json"), "is a symbolic link"),
    "link to nothing": (lambda world: link(world.root / "l.json", world.root / "none.json"), "is a symbolic link"),
    "hard link to a source": (lambda world: hard_link(world.root / "h.json", world.data / "a.json"), "source file of"),
    "hard link to a picture": (
        lambda world: hard_link(world.root / "h.json", world.data / "images" / "a.json"),
        "there already|is a hard link",
    ),
    "through a linked folder": (lambda world: link(world.root / "l", world.data) / "a.json", "source file of"),
    "through dots": (lambda world: world.data / "images" / ".." / "a.json", "source file of"),
    "home through a link": (
        lambda world: link(world.root / "l", world.home / "tables") / "new.json",
        "inside a folder of XMAS_HOME",
    ),
    "pipe": (lambda world: made_by(os.mkfifo, world.root / "p.json"), "is a pipe"),
    "socket": (lambda world: made_by(bound_socket, world.root / "s.json"), "is a socket"),
    "device": (lambda _: Path("/dev/null"), "is a device"),
    "standard output": (lambda _: Path("/dev/stdout"), "is a symbolic link|is a pipe|is a device"),
    "directory": (lambda world: made_by(Path.mkdir, world.root / "d.json"), "is a directory"),
    "empty text": (lambda _: Path(""), "is a directory"),  # noqa: PTH201 - what an empty argument becomes
    "here": (lambda _: Path("."), "is a directory"),  # noqa: PTH201
    "root": (lambda _: Path("/"), "is a directory"),
    "too long": (lambda world: world.root / f"{'n' * 300}.json", "cannot be written .File name too long"),
    "too long with its manifest": (lambda world: world.root / f"{'n' * 245}.json", "File name too long"),
    "not UTF-8": (lambda world: world.root / os.fsdecode(b"\xff.json"), "is not valid UTF-8"),
    "below a file": (lambda world: world.data / "a.json" / "sub.json", "is not a directory"),
    "manifest is a pipe": (
        lambda world: made_by(os.mkfifo, world.root / "sub.manifest.json").with_name("sub.json"),
        "sub.manifest.json' is a pipe",
    ),
    "manifest is a link": (
        lambda world: link(world.root / "sub.manifest.json", world.data / "a.json").with_name("sub.json"),
        "sub.manifest.json' is a symbolic link",
    ),
}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", NEVER)
def test_what_is_never_replaced_is_refused_and_nothing_is_touched(world, kind, force):
    to, said = NEVER[kind][0](world), NEVER[kind][1]
    before = world.state()
    with pytest.raises(OutputError, match=said) as refusal:
        world.export(to, force=force)
    assert "\n" not in str(refusal.value)
    assert world.state() == before


@pytest.mark.parametrize("kind", [kind for kind in NEVER if "manifest" not in kind])
def test_a_new_file_is_never_written_onto_or_among_what_is_read(world, kind):
    to = NEVER[kind][0](world)
    before = world.state()
    with pytest.raises(OutputError):
        write_new_file(to, lambda: b"new", suffix=to.suffix, inputs=Inputs.of_home(world.home))
    assert world.state() == before


def stranger(world: World) -> Path:
    return write(world.root, b"mine", "sub.json")


def earlier_export(world: World) -> Path:
    world.export(world.root / "sub.json", row=1)
    return world.root / "sub.json"


def edited_export(world: World) -> Path:
    return write(world.root, earlier_export(world).read_bytes() + b" ", "sub.json")


def export_without_manifest(world: World) -> Path:
    to = earlier_export(world)
    (world.root / "sub.manifest.json").unlink()
    return to


def edited_manifest(world: World) -> Path:
    to = earlier_export(world)
    manifest = world.root / "sub.manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"seed": 0', b'"seed": 1') + b"\n")
    return to


def manifest_of_another(world: World) -> Path:
    world.export(world.root / "sub.jsonl")
    return world.root / "sub.json"


def manifest_that_is_none(world: World) -> Path:
    write(world.root, b"{}", "sub.manifest.json")
    return world.root / "sub.json"


def manifest_of_before(world: World) -> Path:
    """As exports were before their manifests named the file."""
    to = earlier_export(world)
    manifest = world.root / "sub.manifest.json"
    content = json.loads(manifest.read_text())
    del content["export"]
    manifest.write_text(json.dumps(content))
    return to


def read_only(world: World) -> Path:
    to = earlier_export(world)
    to.chmod(0o400)
    return to


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (stranger, "sub.json' is there already and is not an earlier export with its manifest"),
        (edited_export, "sub.json' is there already and was changed since it was exported"),
        (export_without_manifest, "sub.json' is there already and is not an earlier export with its manifest"),
        (edited_manifest, "sub.manifest.json' is there already and was edited"),
        (manifest_of_another, "sub.manifest.json' is there already and belongs to 'sub.jsonl'"),
        (manifest_that_is_none, "sub.manifest.json' is there already and is not a manifest of an export"),
        (manifest_of_before, "sub.manifest.json' is there already and does not name the file"),
        (read_only, "sub.json' is read-only"),
    ],
)
def test_a_file_that_is_no_unchanged_export_is_replaced_only_by_force(world, make, said):
    to = make(world)
    before = world.state()
    with pytest.raises(OutputError, match=f"{said}.*--force"):
        world.export(to)
    assert world.state() == before
    assert world.export(to, force=True) == EXPORT
    assert world.export(to, row=1) != EXPORT  # now it is an export of ours


@pytest.mark.parametrize("place_of", ["root", "data/images", "home"])
def test_an_unchanged_earlier_export_is_replaced_also_among_images_and_in_the_home(world, place_of):
    to = world.root / place_of / "sub.json"
    first = world.export(to, row=1)
    assert world.export(to) == EXPORT != first
    names = {path.name for path in to.parent.iterdir() if path.name.startswith((".", "sub"))}
    assert names == {"sub.json", "sub.manifest.json"}
    assert json.loads((to.parent / "sub.manifest.json").read_text())["export"] == {
        "file": "sub.json",
        "sha256": hashlib.sha256(EXPORT).hexdigest(),
        "format": "original",
    }


def test_a_manifest_whose_export_was_deleted_is_replaced(world):
    earlier_export(world).unlink()
    assert world.export(world.root / "sub.json") == EXPORT


def test_a_registration_that_cannot_be_read_stops_only_what_would_replace_a_file(world):
    (world.home / "datasets" / "broken.yaml").write_text("name: [")
    assert world.export(world.root / "sub.json") == EXPORT
    before = world.state()
    with pytest.raises(OutputError, match=r"may be an input: .*broken.yaml: not plain YAML"):
        world.export(world.root / "sub.json", force=True)
    assert world.state() == before


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_an_export_has_the_mode_that_the_umask_says(world, umask, mode):
    before = os.umask(umask)
    try:
        world.export(world.root / "sub.json")
    finally:
        os.umask(before)
    made = [world.root / "sub.json", world.root / "sub.manifest.json"]
    assert [path.stat().st_mode & 0o777 for path in made] == [mode, mode]


def export_while(world: World, to: Path, happens) -> bytes:
    """Export, with something happening after the paths were checked and before the files are in their place."""

    def places():
        happens()
        yield 0, 0

    return exported(world.made, places(), to, inputs=Inputs.of_home(world.home))


@pytest.mark.parametrize("name", ["sub.json", "sub.manifest.json"])
@pytest.mark.parametrize("make", [lambda world: world.root / "sub.json", earlier_export])
def test_a_file_that_appears_or_changes_meanwhile_is_not_destroyed(world, make, name):
    to = make(world)
    before = world.state()
    with pytest.raises(OutputError, match=f"{name}' (appeared|changed) while it was being written"):
        export_while(world, to, lambda: write(world.root, b"written meanwhile", name))
    assert (world.root / name).read_bytes() == b"written meanwhile"
    others = {path for path, now in world.state().items() if before.get(path) != now}
    # Of two earlier files the manifest is renewed first; the export then counts as changed and needs --force.
    assert others - {"sub.manifest.json"} <= {name}
    assert set(world.state()) == {*before, name}


def test_an_earlier_export_that_is_deleted_meanwhile_is_not_made_up(world):
    to = earlier_export(world)
    with pytest.raises(OutputError, match="changed while it was being written"):
        export_while(world, to, to.unlink)
    assert not to.exists()
