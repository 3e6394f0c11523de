"""A run says which command it belongs to."""

import pytest

from xmas_assets.home.command import Command


def test_a_command_is_read_from_the_tags_of_its_runs():
    command = Command("xmas run mine --budget 0.2", 1_500_000_000_500_000_000)
    assert Command.of(command.tags()) == command
    assert command.started == 1_500_000_000.5


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["/opt/bin/xmas", "run", "my data"], "xmas run 'my data'"),
        (["/opt/xmas_assets/__main__.py", "demo"], "xmas demo"),
        (["-c"], "python"),
        (["work/study.py"], "study.py"),
    ],
)
def test_a_command_stands_as_it_was_typed(monkeypatch, argv, words):
    monkeypatch.setattr("sys.argv", argv)
    assert Command.now().words == words


def test_a_run_of_the_ui_has_no_command():
    assert Command.of({"dagster/partition": "mine"}) is None


@pytest.mark.parametrize(
    ("words", "program"),
    [("xmas run mine --budget 0.2", "xmas run"), ("xmas demo", "xmas demo"), ("study.py --seeds 3", "study.py")],
)
def test_its_program_is_named_without_options(words, program):
    assert Command(words, 1).program == program
