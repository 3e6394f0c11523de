"""What messages tell a person to do can be done: the commands and options that they name exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from xmas_assets.cli.app import app
from xmas_assets.cli.groups import command_paths
from xmas_assets_tests.cli.parsing import parse_words

PACKAGE = Path(__file__).parent.parent / "xmas_assets"
FILES = sorted(PACKAGE.rglob("*.py"))
COMMANDS = dict(command_paths(get_command(app)))  # pyright: ignore[reportArgumentType] it is a group
COMMAND = re.compile(r"\bxmas ((?:(?:dataset|benchmark|model) )?[a-z]+(?:-[a-z]+)*)\b([^;'\"]*)")
ADVICE = re.compile(r"(?:run: |Example: )xmas ((?!X\b)[^;'\n(]+)")  # X: words that only the running program knows
TARGETS = re.findall(r"^([a-z]+):", (PACKAGE.parent / "Makefile").read_text(), flags=re.MULTILINE)


@cache
def texts(path: Path) -> list[str]:
    """Every text in a file's code, f-strings with X for what is filled in; docstrings of commands among them."""
    return list(texts_of(path.read_text()))


def texts_of(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def wrong_commands(text: str) -> list[str]:
    """The commands in a text that do not exist, and the options that their command does not have."""
    wrong = []
    for path, rest in COMMAND.findall(text):
        if path not in COMMANDS:
            wrong.append(path)
            continue
        known = {option for parameter in COMMANDS[path].params for option in parameter.opts}
        wrong += [f"{path} {option}" for option in re.findall(r"--[a-z-]+", rest) if option not in {*known, "--help"}]
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_command_that_a_text_names_exists(path):
    assert [wrong for text in texts(path) for wrong in wrong_commands(text)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_command_that_a_text_says_to_run_has_all_that_it_needs(path):
    for text in texts(path):
        for words in ADVICE.findall(text):
            parse_words(shlex.split(words))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_text_names_a_fixed_port_or_a_make_target(path):
    """Users of the wheel have no Makefile, and the UI runs on the port it was given."""
    found = [text for text in texts(path) if re.search(rf":[35]000\b|\bmake ({'|'.join(TARGETS)})\b", text)]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_materializing_is_advised_together_with_a_command(path):
    advised = [text for text in texts(path) if re.search(r"\bmateriali[sz]e \w", text)]
    assert [text for text in advised if "xmas " not in text] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("run: xmas lits", ["lits"]),
        ("run: xmas run mine --metod x", ["run --metod"]),
        ("run: xmas dataset lst", ["dataset lst"]),
        ("run: xmas run X --method random; or xmas dataset list", []),
    ],
)
def test_the_rule_finds_what_it_should(text, wrong):
    assert wrong_commands(text) == wrong


def test_advice_that_lacks_something_is_found():
    (words,) = ADVICE.findall("dataset X is not read yet; run: xmas select X --budget 0.1; then look")
    with pytest.raises(typer.TyperException, match="method"):
        parse_words(shlex.split(words))
    assert ADVICE.findall("run: xmas X") == []
