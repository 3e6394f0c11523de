"""What commands print: drawn for a person at a terminal, plain lines for a program."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xmas_assets.cli.datasets import add_toy
from xmas_assets.cli.output import column_widths, prints_tables
from xmas_assets.home.home import Home
from xmas_assets_tests.cli.terminal import environment, terminal
from xmas_assets_tests.e2e.platforms import row, write_dataset

XMAS = [sys.executable, "-m", "xmas_assets"]
NULLS = "SELECT NULL AS nothing, 1.25 AS number, 'text' AS words"


def piped(home, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*XMAS, *words], env=environment(home), capture_output=True, text=True, check=True)


def drawn(home, *words: str) -> str:
    with terminal([*XMAS, *words], home) as screen:
        return screen.read()


def test_a_table_is_drawn_on_a_terminal_and_tab_separated_elsewhere(tmp_path):
    first, *rest = piped(tmp_path, "methods").stdout.splitlines()
    assert first == "method\tpaper\tneeds\tcost\tnested"
    assert rest[0].startswith("xmas\t")
    picture = drawn(tmp_path, "methods")
    assert " balanced_random " in picture
    assert "\t" not in picture


@pytest.mark.parametrize(
    ("rows", "room", "widths"),
    [
        ([["name", "size"], ["a b", "1"]], 80, [4, 4]),
        ([["name", "what"], ["random", "no model reads a row"]], 16, [6, 10]),
        ([["name", "what", "size"], ["paper_scalselect", "one two three four five", "1"]], 30, [16, 10, 4]),
        ([["name", "path"], ["paper_scalselect", "shell/internvl/finetune"]], 30, [15, 15]),
        ([["name", "path"], ["paper_scalselect", "shell/internvl/finetune"]], 36, [16, 20]),
        ([["", ""]], 80, [0, 0]),
    ],
)
def test_columns_break_words_only_where_there_is_no_room_for_them(rows, room, widths):
    assert column_widths(rows, room) == widths


def test_a_table_without_rows_is_one_line_on_a_terminal(tmp_path):
    nothing = "SELECT 1 AS number WHERE false"
    assert piped(tmp_path, "sql", nothing).stdout == "number\n"
    assert drawn(tmp_path, "sql", nothing).splitlines()[-1] == "result: no rows"


def test_a_missing_value_is_an_empty_cell(tmp_path):
    assert piped(tmp_path, "sql", NULLS).stdout == "nothing\tnumber\twords\n\t1.25\ttext\n"
    picture = drawn(tmp_path, "sql", NULLS)
    assert "          1.25    text " in picture


@pytest.mark.slow
def test_progress_is_drawn_on_a_terminal_and_nowhere_else(tmp_path):
    words = write_dataset(tmp_path / "data", [row(number) for number in range(4)])
    piped(tmp_path, "dataset", "add", "small", *words)
    select = ("select", "small", "--method", "random", "--budget", "0.5", "--seeds")
    done = piped(tmp_path, *select, "1")
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("random_b0.50_s0  2 rows\n", "random_b0.50_s0: done, 1 of 1")
    assert set("\r\x1b") & set(done.stdout + done.stderr) == set()
    picture = drawn(tmp_path, *select, "2")
    assert "\r100%|" in picture
    assert "1/1 [" in picture


PRINTING = [
    ("methods",),
    ("dataset", "list"),
    ("sql", "FROM range(3)"),
    ("sql", "FROM range(100000)"),
    ("--help",),
    ("--version",),
]


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def variables(request, tmp_path):
    """Python notices at a command's end, or at its first line, that nobody takes what is printed."""
    return environment(tmp_path) | {"PYTHONUNBUFFERED": request.param}


def words_on_stderr(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if not line.startswith("XMAS_HOME ")]


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_reader_that_leaves_early_ends_a_command_without_a_word(words, variables):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*XMAS, *words], env=variables, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (words_on_stderr(done), done.returncode) == ([], 1)


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_an_output_that_is_full_is_said_in_one_line(words, variables):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*XMAS, *words], env=variables, stdout=full, stderr=subprocess.PIPE, text=True)
    (line,) = words_on_stderr(done)
    assert line.startswith("xmas: the output cannot be written (No space left on device); free some space")
    assert done.returncode == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_an_output_that_is_closed_changes_nothing_else(closed, variables, tmp_path):
    command = f"xmas sql 'FROM range(3)' {closed}"
    done = subprocess.run(["bash", "-c", command], env=variables, capture_output=True, text=True)
    shown = ("", f"XMAS_HOME {tmp_path}\n") if closed == ">&-" else ("range\n0\n1\n2\n", "")
    assert (done.stdout, done.stderr, done.returncode) == (*shown, 0)


def test_the_first_line_of_a_long_answer_can_be_taken(tmp_path):
    command = "xmas sql 'FROM range(100000)' | head -1"
    done = subprocess.run(["bash", "-c", command], env=environment(tmp_path), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("range\n", f"XMAS_HOME {tmp_path}\n")


@pytest.mark.slow
def test_what_a_command_says_on_its_way_stands_in_its_json_too(tmp_path, monkeypatch, capsys):
    """As ``xmas demo --json``, which registers a dataset first."""
    monkeypatch.setenv("XMAS_HOME", str(tmp_path))
    prints_tables(lambda: add_toy(Home.open(), "drawn"))(as_json=True)
    assert json.loads(capsys.readouterr().out) == {"registered": f"registered drawn: {tmp_path}/datasets/drawn.yaml"}
