"""Every command in the documents can be given as it stands; ``test_docs.py`` runs those that take seconds."""

import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from xmas_assets_tests.cli.parsing import parse_words

ROOT = Path(__file__).parent.parent
HISTORY = {"CHANGELOG.md"}  # what it names may be gone
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "study/**/*.md", "benchmarks/*.md", "examples/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name not in HISTORY
]
# Parses its arguments as it always does, and ends there.
PARSE_ONLY = """
import argparse, runpy, sys
parse = argparse.ArgumentParser.parse_args
def parse_and_end(self, *given):
    parse(self, *given)
    print("parsed")
    sys.exit()
argparse.ArgumentParser.parse_args = parse_and_end
module, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


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
        run = [sys.executable, "-c", PARSE_ONLY, module, *arguments]
        done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["parsed"]), done.stderr


def check_pytest(words: list[str]) -> None:
    """The files are there, and hold tests that the expression chooses."""
    assert [word for word in words if word.startswith("xmas_assets_tests") and not (ROOT / word).exists()] == []
    if "-k" in words:
        run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", *words]
        assert subprocess.run(run, cwd=ROOT, capture_output=True).returncode == 0


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
