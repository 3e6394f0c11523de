"""Where a home's files are is known in ``home/`` alone: nobody else joins names to its root."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("xmas_assets", "study", "benchmarks", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.parent.name != "home" and path != ROOT / "xmas_assets" / "data" / "registration_file.py"  # used by ``Home``
]
HOME_ROOT = re.compile(r"(.*\.)?_?home(_root|\.root|\.path\(\))?")


def joins(source: str) -> Iterator[int]:
    """Lines that join a name to something called a home, or to its root."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            owner = node.left
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "joinpath":
            owner = node.func.value
        else:
            continue
        if HOME_ROOT.fullmatch(ast.unparse(owner)):
            yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_a_home_joins_names_to_its_root(path):
    assert list(joins(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('home / "datasets"', [1]),
        ('home_root / "data" / name', [1]),
        ('self._home.root / "tables"', [1]),
        ('state.home.path() / "ui.json"', [1]),
        ('home.root.joinpath("work")', [1]),
        ('home.path("data") / name', []),
        ('workspace / "images"', []),
    ],
)
def test_the_rule_finds_what_it_should(line, found):
    assert list(joins(line)) == found
