"""Every option that names a file or folder to write: never onto an input, a link, a pipe, or what is not ours."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from xmas_assets.cli.app import app
from xmas_assets.data.registration import Registration
from xmas_assets_tests.e2e.platforms import KEY, xmas
from xmas_assets_tests.e2e.test_cli_benchmarks import write_pope

OUTPUTS: dict[str, tuple[str, tuple[str, ...]]] = {  # by command: suffix, and words before the path
    "export": (".json", ("export", "shapes", KEY, "--to")),
    "benchmark show": (".png", ("benchmark", "show", "balls", "--to")),
    "benchmark contamination": (".csv", ("benchmark", "contamination", "shapes", "--out")),
    "sql": (".csv", ("sql", "SELECT 1 AS one", "--output")),
    "dataset refused": (".jsonl", ("dataset", "refused", "shapes", "--export")),
    "model export": ("", ("model", "export", "shapes", KEY, "--to")),
}
ELSEWHERE = {"benchmark sheet", "benchmark submission"}  # in test_cli_judging.py: they need answers to a benchmark


@pytest.fixture(scope="module")
def home(built, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    home = shutil.copytree(built, folder / "home")
    images = built / "toy" / "shapes"
    name = next(path.relative_to(images) for path in sorted(images.rglob("*.png")))
    words = write_pope(folder / "questions", images=[str(name)], n_questions=2)
    assert xmas(home, "benchmark", "add", "balls", *words, "--images", images).code == 0
    assert xmas(home, "benchmark", "contamination", "shapes").code == 0
    return home


def link(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def stranger(path: Path) -> Path:
    if path.suffix:
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    return path


def folder_of(path: Path) -> Path:
    path.mkdir()
    (path / "mine.txt").write_text("mine")
    return path


TARGETS: dict[str, Callable[[Path, Path, str], Path]] = {
    "training file": lambda home, folder, suffix: Registration.named(home, "shapes").annotations[0],
    "registration": lambda home, folder, suffix: home / "datasets" / "shapes.yaml",
    "benchmark's questions": lambda home, folder, suffix: home.parent / "questions" / "coco_pope_random_circle.json",
    "new in the home": lambda home, folder, suffix: home / "tables" / f"new{suffix}",
    "link to the home": lambda home, folder, suffix: link(folder / "l", home / "tables") / f"new{suffix}",
    "link": lambda home, folder, suffix: link(folder / f"l{suffix}", folder / "none"),
    "link to a file": lambda home, folder, suffix: link(folder / f"l{suffix}", home / "datasets" / "shapes.yaml"),
    "pipe": lambda home, folder, suffix: pipe(folder / f"p{suffix}"),
    "device": lambda home, folder, suffix: Path("/dev/full"),
    "folder": lambda home, folder, suffix: folder_of(folder / f"f{suffix}"),
    "not ours": lambda home, folder, suffix: stranger(folder / f"mine{suffix}"),
}


def state(*roots: Path) -> dict[str, tuple]:
    found = {}
    for path in (path for root in roots for path in sorted(root.rglob("*"))):
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_ino, path.read_bytes() if path.is_file() else None)
    return found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_never_takes_the_place_of_what_is_not_its_own(home, tmp_path, command, target):
    suffix, words = OUTPUTS[command]
    to = TARGETS[target](home, tmp_path, suffix)
    training = Registration.named(home, "shapes").annotations[0].parent
    kept = (home / "datasets", home / "tables", home.parent / "questions", training, tmp_path)
    before = state(*kept)
    said = xmas(home, *words, to)
    *before_it, last = said.err.splitlines()
    assert (said.code, len(before_it) <= 1, last.startswith("xmas: ")) == (2, True, True), said
    assert state(*kept) == before


@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_is_as_private_as_the_umask_says_and_nothing_else_is_left(home, tmp_path, command):
    suffix, words = OUTPUTS[command]
    before = os.umask(0o077)
    try:
        assert xmas(home, *words, tmp_path / f"new{suffix}").code == 0
    finally:
        os.umask(before)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"new{suffix}"} | ({"new.manifest.json"} if command == "export" else set())
    assert {oct(path.stat().st_mode & 0o077) for path in tmp_path.rglob("*")} == {"0o0"}


def that_write(command: Any, name: str = "") -> set[str]:
    """Commands with a parameter whose help says that it is written."""
    if hasattr(command, "commands"):
        parts = command.commands.items()
        return {found for part, below in parts for found in that_write(below, f"{name} {part}".strip())}
    helps = [str(getattr(parameter, "help", "")).lower() for parameter in command.params]
    return {name} if any("to write" in text for text in helps) else set()


def test_every_command_that_writes_where_it_is_told_is_tried():
    assert that_write(typer.main.get_command(app)) == OUTPUTS.keys() | ELSEWHERE
