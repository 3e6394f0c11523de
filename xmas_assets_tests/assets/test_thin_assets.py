"""An asset unpacks settings, loads inputs, makes one thing on the floors below and stages it, and describes it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from xmas_assets import assets

FILES = sorted(Path(assets.__file__).parent.glob("*.py"))
DECIDES = (ast.For, ast.While, ast.Try, ast.TryStar, ast.If, ast.Match)


def functions(source: str) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))


def faults(source: str) -> list[str]:
    """What belongs one floor down: loops and decisions, and a stage of more than making and staging."""
    found = []
    for function in functions(source):
        for node in ast.walk(function):
            if isinstance(node, DECIDES):
                found.append(f"{function.name}: {type(node).__name__}")
            if isinstance(node, ast.With) and len(node.body) > 2:
                found.append(f"{function.name}: {len(node.body)} statements in a stage")
            if isinstance(node, ast.Yield):
                found.append(f"{function.name}: Yield")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_assets_neither_loop_nor_decide_and_make_one_thing(path):
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("for table in tables: emit(table)", "asset: For"),
        ("if tables: emit(tables)", "asset: If"),
        ("try: emit(tables)\n except KeyError: pass", "asset: Try"),
        ("yield emit(tables)", "asset: Yield"),
        ("with stage() as s:\n  a = 1\n  b = 2\n  c = 3", "asset: 3 statements in a stage"),
        ("with stage() as s:\n  made = make(s)\n  staged = keep(made)", None),
        ("yield from (emit(table) for table in tables)", None),
    ],
)
def test_the_rule_finds_what_it_should(body, fault):
    assert faults(f"def asset(tables):\n {body}\n") == ([fault] if fault else [])
