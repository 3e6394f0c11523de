"""Files get their final names through ``files/`` alone: nobody else renames, links or syncs one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for package in ("xmas_assets", "study") for path in (ROOT / package).rglob("*.py"))
FORBIDDEN = {"fsync", "hardlink_to", "symlink_to", "move", "copyfile", "link"}
RENAMES = {"rename", "replace", "renames"}


def own_renames(source: str) -> Iterator[int]:
    """Lines that rename, link, copy or sync a file; ``text.replace`` takes two arguments, a path's takes one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, owner = node.func.attr, node.func.value
            is_of_os = isinstance(owner, ast.Name) and owner.id in {"os", "shutil"}
            is_path = len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Dict)
            if name in FORBIDDEN or (name in RENAMES and (is_of_os or is_path)):
                yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_renamed_linked_and_synced_in_files_alone(path):
    lines = [] if path.parent.name == "files" else list(own_renames(path.read_text(encoding="utf-8")))
    assert lines == []


@pytest.mark.parametrize(
    "line",
    [
        "os.replace(a, b)",
        "os.rename(a, b)",
        "path.replace(target)",
        "path.rename(target)",
        "os.fsync(handle)",
        "shutil.move(a, b)",
        "path.hardlink_to(other)",
    ],
)
def test_the_test_sees_each_way_to_do_it(line):
    assert list(own_renames(line)) == [1]


@pytest.mark.parametrize("line", ["text.replace('a', 'b')", "replace(record, x=1)", "frame.rename({'a': 'b'})"])
def test_the_test_leaves_text_records_and_columns_alone(line):
    assert list(own_renames(line)) == []
