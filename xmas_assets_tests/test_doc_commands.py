"""Every command in the documents can be given as it stands; ``test_docs.py`` runs those that take seconds."""

import re
import runpy
import shlex
import sys
import tomllib
import warnings
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
from _pytest.mark.expression import Expression

from xmas_assets_tests.cli.parsing import parse_words

ROOT = Path(__file__).parent.parent
HISTORY = {"CHANGELOG.md"}  # what it names may be gone
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "study/**/*.md", "benchmarks/*.md", "examples/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name not in HISTORY
]


class _ParsedError(BaseException):
    """Ends a program once its arguments are parsed; none expects it."""


def commands(text: str) -> list[str]:
    """The commands in fenced blocks and between backticks, without their remarks and the dots of what is left out."""
    fenced = re.findall(r"^```(?:console|sh|bash)?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix("$ ") for block in fenced for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    found = [re.sub(r"\s+#.*| \.\.\.(?= )", "", line) for line in (*lines, *spans)]
    return [line for line in found if line.split(" ")[0] in CHECKS and not line.endswith("[OPTIONS]")]


def check_make(words: list[str]) -> None:
    """The targets are in the Makefile."""
    assert set(words) <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def check_python(words: list[str]) -> None:
    """The module is there and can be run, and takes these arguments."""
    assert words[0] == "-m"
    module, *arguments = words[1:]
    found = find_spec(module)
    assert found is not None
    assert find_spec(f"{module}.__main__") if found.submodule_search_locations else '"__main__"' in source(found.origin)
    if arguments:
        parse_and_end(module, arguments)


def parse_and_end(module: str, arguments: list[str]) -> None:
    """Start the module as a program, which parses its arguments as it always does, and ends there."""
    parse = ArgumentParser.parse_args

    def parse_only(parser: ArgumentParser, *given: Any) -> None:
        parse(parser, *given)
        raise _ParsedError

    with (
        mock.patch.object(ArgumentParser, "parse_args", parse_only),
        mock.patch.object(sys, "argv", [module, *arguments]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # the module may be imported already
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except _ParsedError:
            return
        except SystemExit as ended:
            raise AssertionError(f"{module} does not take {arguments}: it ends with {ended.code}") from None
    raise AssertionError(f"{module} has not parsed {arguments}")


def check_pytest(words: list[str]) -> None:
    """The files are there, and hold tests that the expression chooses."""
    assert [word for word in words if word.startswith("xmas_assets_tests") and not (ROOT / word).exists()] == []
    if "-k" in words:
        *places, _, expression = words
        chosen = Expression.compile(expression)
        assert any(is_chosen(chosen, names) for names in names_of_tests(places))


def is_chosen(expression: Expression, names: list[str]) -> bool:
    return expression.evaluate(lambda word, /, **_: any(word.lower() in name.lower() for name in names))


def names_of_tests(places: list[str]) -> Iterator[list[str]]:
    """Of each test below these places, what ``-k`` looks at: the names of its folders, its file and itself."""
    files = [
        path for place in map(ROOT.joinpath, places) for path in ([place] if place.is_file() else place.rglob("test_*"))
    ]
    for path in (path for path in files if path.suffix == ".py"):
        for name in re.findall(r"^def (test_\w+)", path.read_text(), flags=re.MULTILINE):
            yield [*path.relative_to(ROOT).parts, name]


def check_pip(words: list[str]) -> None:
    """What is installed is this project, with extras that it has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert words[0] == "install"
    for word in words[1:]:
        name, _, extra = word.rstrip("]").partition("[")
        assert name in {".", project["name"]}
        assert extra in {"", *project["optional-dependencies"]}


CHECKS = {
    "xmas": parse_words,
    "make": check_make,
    "python": check_python,
    "pytest": check_pytest,
    "pip": check_pip,
}


def source(path: str | None) -> str:
    assert path is not None
    return Path(path).read_text()


FOUND = list(dict.fromkeys((path, command) for path in DOCUMENTS for command in commands(path.read_text())))


@pytest.mark.parametrize(("path", "command"), FOUND, ids=[f"{path.name}: {command}" for path, command in FOUND])
def test_a_command_in_a_document_can_be_given_as_it_stands(path, command):
    program, *words = shlex.split(command)
    CHECKS[program](words)


def test_every_program_and_every_document_with_commands_is_among_them():
    assert {command.split(" ")[0] for _, command in FOUND} == set(CHECKS)
    named = {"README.md", "SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "RESULTS.md", "cli.md", "ui.md"}
    assert named <= {path.name for path, _ in FOUND}


@pytest.mark.parametrize(
    "command",
    [
        "xmas lits",
        "xmas run mine --metod xmas",
        "xmas run mine",
        "xmas export mine xmas_b0.20_s0",
        "xmas ui --port many",
        "xmas --install",
        "make everything",
        "python -m study.nothing",
        "python -m study.design",
        "python -m study redo",
        "python -m benchmarks --largest",
        "pytest xmas_assets_tests/nothing",
        "pytest xmas_assets_tests/test_sorting.py -k nothing_is_called_so",
        "pip install xmas-assets[tpu]",
        "pip install xmas_asset",
    ],
)
def test_a_wrong_command_is_found(command):
    program, *words = shlex.split(command)
    with pytest.raises((AssertionError, typer.TyperException, ModuleNotFoundError)):
        CHECKS[program](words)
