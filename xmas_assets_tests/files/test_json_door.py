"""JSON and YAML of others are parsed behind a door alone, which bounds them in bytes and depth."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "xmas_assets"
DOORS = {
    "files/notes.py": "the door for JSON",
    "data/plain_yaml.py": "the door for YAML",
    "data/json_records.py": "records, cut out of their file at a bound",
    "data/json_columns.py": "items of a list, cut at a bound",
    "data/nested.py": "a text in one cell of a table that was read already",
    "data/trainers/columns.py": "what was written just before",
    "data/readers.py": "the first line of a file, of as many bytes as are looked at",
    "contracts/manifest.py": "bounded there, below files/",
    "evaluation/lmms_eval_output.py": "lines, cut at a bound",
    "stages/subsets.py": "a manifest in a table of our own",
}
PARSERS = {"json": {"load", "loads"}, "orjson": {"loads"}, "yaml": {"load", "safe_load", "load_all", "parse"}}


def parsers(source: str) -> Iterator[int]:
    """Lines that parse JSON or YAML by themselves, but for bytes that the door has bounded."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            is_parser = node.func.attr in PARSERS.get(owner, set()) or node.func.attr == "model_validate_json"
            given = ast.unparse(node.args[0]) if node.args else ""
            if is_parser and not given.startswith("note_bytes("):
                yield node.lineno


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_json_and_yaml_are_parsed_behind_the_doors_alone(path: Path):
    name = path.relative_to(PACKAGE).as_posix()
    lines = list(parsers(path.read_text(encoding="utf-8")))
    assert lines == [] or name in DOORS


def test_every_door_is_in_use():
    assert [name for name in DOORS if not list(parsers((PACKAGE / name).read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize(
    "line",
    [
        "json.loads(path.read_text())",
        "json.load(stream)",
        "orjson.loads(path.read_bytes())",
        "yaml.safe_load(text)",
        "Record.model_validate_json(path.read_bytes())",
    ],
)
def test_the_test_sees_each_way_to_do_it(line: str):
    assert list(parsers(line)) == [1]


@pytest.mark.parametrize("line", ["read_note(path)", "orjson.loads(note_bytes(path))", "json.dumps(value)"])
def test_the_test_leaves_what_is_bounded_alone(line: str):
    assert list(parsers(line)) == []
