"""What a command costs before it does anything: which modules are loaded, and how soon a mistake is answered."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from xmas_assets_tests.cli.loading import HEAVY, loaded, packages

TYPER = {"typer", "annotated_doc", "typing_extensions", "shellingham"}
TYPER |= {"pydantic", "pydantic_core", "annotated_types", "typing_inspection"}  # with which it checks arguments
FOR_HELP = {"rich", "attr", "pygments", "markdown_it", "mdurl"}
OURS_AT_START = {"xmas_assets", "xmas_assets.cli", "xmas_assets.contracts", "xmas_assets.contracts.errors"}
ANSWERED_AT_ONCE = [("--help",), ("-h",), ("--version",), ("dataset", "--help"), ("lits",), ("nonsense",), ("run",)]
LIBRARIES = ["-c", "import typer, pydantic, rich.console"]
QUICK = [("dataset", "list"), ("methods",), ("leaderboard", "none")]


@pytest.mark.parametrize("words", ANSWERED_AT_ONCE, ids=" ".join)
def test_help_and_mistakes_load_the_command_line_and_nothing_else(words, tmp_path):
    modules = loaded(*words, home=tmp_path)
    others = {name for name in packages(modules) - set(sys.stdlib_module_names) if not name.startswith("_")}
    others -= {"xmas_assets"} | TYPER
    assert others <= (FOR_HELP if {"--help", "-h"} & set(words) else set())
    ours = {module for module in modules if module.split(".")[0] == "xmas_assets"}
    assert {module for module in ours if not module.startswith("xmas_assets.cli.")} <= OURS_AT_START


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_quick_commands_load_nothing_heavy(words, tmp_path):
    assert packages(loaded(*words, home=tmp_path)) & HEAVY == set()


@pytest.mark.parametrize(
    ("words", "times"),
    [*((words, 4.0) for words in ANSWERED_AT_ONCE), *((words, 8.5) for words in QUICK)],
)
def test_quick_commands_take_little_more_processor_time_than_their_libraries(words, times, tmp_path):
    """The best of three each, in turns, since others may be in the way. Measured: help 1.9 to 3.7, lists up to 6.9."""
    ways = (LIBRARIES, ["-m", "xmas_assets", *words])
    rounds = [[processor_seconds(way, tmp_path) for way in ways] for _ in range(3)]
    libraries, command = map(min, zip(*rounds, strict=True))
    assert command <= times * libraries


def processor_seconds(arguments: Sequence[str], home: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    subprocess.run(command, env=os.environ | {"XMAS_HOME": str(home)}, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
