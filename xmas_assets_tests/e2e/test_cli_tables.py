"""What commands print for programs: JSON of every table, query results as files; and that looking makes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest
from typer.main import get_command

from xmas_assets.cli.app import app
from xmas_assets.cli.groups import command_paths
from xmas_assets_tests.cli.terminal import environment
from xmas_assets_tests.e2e.platforms import KEY, xmas

MODEL = Path(__file__).parents[2] / "xmas_assets" / "toy" / "base"
VALUES = (
    "SELECT sum(range) AS total, 1.5 AS number, [NULL, 2] AS list, 'nan'::DOUBLE AS none, DATE '2026-01-02' AS day "
    "FROM range(4)"
)
TABLES = {
    ("status", "shapes"): {"assets", "datasets"},
    ("leaderboard", "shapes"): {"leaderboard"},
    ("leaderboard", "shapes", "--published"): {"leaderboard", "published"},
    ("compare", "shapes", "xmas@20%", "random@.2"): {"comparison"},
    ("costs", "shapes"): {"costs"},
    ("methods",): {"methods", "parameters", "requirements"},
    ("profiles",): {"profiles"},
    ("plan", "shapes", "--method", "coincide"): {"steps"},
    ("plan", "shapes", "--method", "xmas", "--on", "here"): {"hours", "totals", "pays"},
    ("dataset", "list"): {"datasets"},
    ("dataset", "show", "shapes"): {"registration", "read", "notices", "quarantined", "sources"},
    ("dataset", "refused", "shapes"): {"reasons"},
    ("dataset", "refresh", "shapes"): {"changes", "stale"},
    ("benchmark", "list"): {"benchmarks"},
    ("benchmark", "contamination", "shapes"): {"contaminated"},
    ("sql", VALUES): {"result"},
    ("doctor",): {"findings"},
}
NEEDS_MORE = {
    "run",
    "demo",
    "calibrate",
    "dataset add",
    "advise",
    "theory",
    "model check",
    "model memory",
    "benchmark show",
    "benchmark run",
}
"""Commands with ``--json`` that are too slow to run here, or need a benchmark: their tables are tested elsewhere."""


def test_every_command_that_prints_a_table_takes_json():
    able = {
        path
        for path, command in command_paths(get_command(app))
        if any("--json" in parameter.opts for parameter in command.params)
    }
    tried = {" ".join(word for word in words if word in " ".join(able).split()) for words in TABLES}
    assert able == tried | NEEDS_MORE
    printing = [
        path.stem
        for path in Path(sys.modules["xmas_assets.cli"].__path__[0]).glob("*.py")
        if "print_table(" in path.read_text() or "print_frame(" in path.read_text()
    ]
    for stem in set(printing) - {"output", "first_look"}:  # what `dataset add` prints
        module = sys.modules[f"xmas_assets.cli.{stem}"]
        assert "@prints_tables" in Path(str(module.__file__)).read_text(), stem


@pytest.mark.parametrize("words", TABLES, ids=" ".join)
def test_a_command_prints_one_json_object_with_its_tables(copied, words):
    said = xmas(copied, *words, "--json")
    document = json.loads(said.out)
    assert (said.code, set(document)) == (0, TABLES[words])
    for rows in document.values():
        assert isinstance(rows, str) or all(isinstance(row, dict) for row in rows)


def test_json_holds_values_as_they_are(copied):
    (words,) = (words for words in TABLES if words[0] == "sql")
    (row,) = json.loads(xmas(copied, *words, "--json").out)["result"]
    assert row == {"total": 6, "number": 1.5, "list": [None, 2], "none": None, "day": "2026-01-02"}
    board = json.loads(xmas(copied, "leaderboard", "shapes", "--json").out)["leaderboard"]
    (full,) = (row for row in board if row["method"] == "full")
    assert (full["budget"], full["n_seeds"], full["vs_random"], full["comparable"]) == ("1.00", 1, None, False)


def test_a_command_that_fails_prints_no_json(copied):
    said = xmas(copied, "leaderboard", "nothing", "--json")
    assert (said.code, said.out) == (2, "")


NESTED = "SELECT task, turns, n_images FROM raw_dataset.samples ORDER BY row LIMIT 3"


@pytest.mark.parametrize("by", ["format", "ending"])
@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_query_is_written_whole_as_csv_json_and_parquet(copied, tmp_path, form, by):
    path = tmp_path / f"result.{form}"
    words = ["sql", NESTED, "--output", path, *(["--format", form] if by == "format" else [])]
    said = xmas(copied, *words)
    assert (said.code, said.out, said.err.splitlines()[-1]) == (0, "", f"3 rows in {path}")
    read = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}[form]
    rows = duckdb.sql(f"SELECT task, n_images, turns FROM {read}('{path}')").fetchall()
    samples = pl.read_parquet(copied / "tables/raw_dataset/dataset=shapes/samples.parquet").head(3)
    expected = samples.select("task", "n_images", "turns").rows()
    turns = [json.loads(row[2]) if isinstance(row[2], str) else row[2] for row in rows]
    assert [(*row[:2], each) for row, each in zip(rows, turns, strict=True)] == expected
    before = path.read_bytes()
    assert "is there already" in xmas(copied, *words).message
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_query_goes_whole_through_a_pipe(copied, form):
    command = [sys.executable, "-m", "xmas_assets", "sql", NESTED, "--format", form]
    done = subprocess.run(command, env=environment(copied), capture_output=True, check=True)
    read = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}[form]
    assert read(done.stdout)["n_images"].to_list() == [1, 1, 1]


def test_a_result_of_another_format_is_refused(copied, tmp_path):
    assert "did you mean 'parquet'?" in xmas(copied, "sql", "SELECT 1", "--format", "parqet").err
    assert "--output 'a.xlsx' is not a format" in xmas(copied, "sql", "SELECT 1", "--output", "a.xlsx").err
    message = xmas(copied, "sql", "SELECT 1", "--format", "csv", "--output", tmp_path / "a.json").message
    assert "does not end in .csv" in message


def test_show_tables_names_the_tables_of_all_assets_with_their_columns(copied):
    rows = json.loads(xmas(copied, "sql", "show tables ;", "--json").out)["result"]
    columns = {row["name"]: row["columns"] for row in rows}
    assert columns["selected_subset.subset"] == "row, sample_id, dataset, selection"
    paths = (path.relative_to(copied / "tables") for path in (copied / "tables").rglob("*.parquet"))
    stored = {f"{path.parts[0]}.{path.stem}" for path in paths}
    assert stored - columns.keys() == set()


LOOKING = [
    ("status",), ("dataset", "list"), ("dataset", "show", "mine"), ("benchmark", "list"), ("benchmark", "show", "pope"),
    ("leaderboard", "mine"), ("compare", "mine", "xmas@0.2", "random@0.2"), ("costs", "mine"), ("sql", "SHOW TABLES"),
    ("export", "mine", KEY, "--to", "subset.json"), ("verify", "subset.manifest.json"), ("methods",), ("profiles",),
    ("benchmark", "contamination", "mine"), ("plan", "mine", "--method", "random"), ("doctor",),
]  # fmt: skip


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_command_that_only_looks_makes_no_home(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    said = xmas(tmp_path / "home", *words)
    assert said.code in (0, 2)
    assert list(tmp_path.iterdir()) == []
    assert words in [("methods",), ("profiles",)] or said.err.startswith(f"XMAS_HOME {tmp_path}/home (not there yet)\n")
