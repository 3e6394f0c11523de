"""Every ``xmas`` command, run for real on a small home: what it says, what it writes, and its exit code."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

from xmas_assets.cli.app import app
from xmas_assets.cli.groups import command_paths
from xmas_assets.data.registration_file import replace_line
from xmas_assets.home.home import Home
from xmas_assets.store.database import query_names
from xmas_assets_tests.cli.loading import HEAVY, loaded, packages
from xmas_assets_tests.e2e.platforms import KEY, register, table_bytes, xmas


def lines(text: str, word: str) -> list[list[str]]:
    """The cells of the table rows that hold a word."""
    return [line.split() for line in text.splitlines() if word in line.split()]


def test_help_names_every_command_and_each_has_a_test_here():
    commands = {path for path, _ in command_paths(get_command(app))} - {"benchmark", "dataset", "model"}
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_cli*.py"))
    called = {name for name in commands if '"' + '", "'.join(name.split()) + '"' in text}
    assert commands - called == set()
    done = subprocess.run([sys.executable, "-m", "xmas_assets", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(name.split()[0] in done.stdout for name in commands)


def test_the_first_line_says_where_everything_lives_and_the_home_is_dot_xmas_by_default(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "XMAS_HOME"}
    command = [sys.executable, "-m", "xmas_assets", "dataset", "list"]
    path = [str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, f"XMAS_HOME {tmp_path}/.xmas (not there yet)\n")


def test_dataset_add_list_show_and_remove(own):
    assert lines(xmas(own, "dataset", "list").out, "own") == [["own", "4", "0", "0", "toy"]]
    shown = xmas(own, "dataset", "show", "own")
    assert shown.code == 0
    assert f"name: own\nannotations:\n- {own.parent}/data/train.json\n" in shown.out
    assert "is there already" in xmas(own, "dataset", "add", "own", "--annotations", own / "x").message
    assert "does not exist" in xmas(own, "dataset", "add", "new", "--annotations", own / "x.json").message
    assert "no annotation file was given" in xmas(own, "dataset", "add", "new").message
    before = sorted(path.name for path in (own.parent / "data").iterdir())
    removed = xmas(own, "dataset", "remove", "own", "--yes")
    assert (removed.code, removed.out) == (0, "removed own; its source files are where they were\n")
    assert sorted(path.name for path in (own.parent / "data").iterdir()) == before
    assert table_bytes(own) == {}
    assert (
        "dataset 'own' is not registered; there is none yet; register it with: xmas dataset add"
        in xmas(own, "dataset", "show", "own").message
    )


def test_a_dataset_with_nothing_to_ask_is_refused_before_anything_is_trained(own):
    message = xmas(own, "run", "own", "--method", "random", "--budget", "0.5").err.splitlines()[-1]
    assert message.startswith("xmas: dataset 'own' has neither test records nor benchmarks, so its targets cannot be ")
    assert not list(own.glob("tables/target_base/*"))


def test_test_records_that_are_all_refused_stop_a_run_before_anything_is_trained(own):
    test = own.parent / "data" / "refused.json"
    test.write_text('[{"id": "1", "conversations": []}, {"id": "2", "conversations": []}]', encoding="utf-8")
    replace_line(Home.open(own).registration_path("own"), "test", [str(test)])
    message = xmas(own, "run", "own", "--method", "random", "--budget", "0.5").err.splitlines()[-1]
    assert "all 2 records of test were refused" in message
    assert not list(own.glob("tables/target_model/*"))


def test_a_dataset_that_was_removed_and_added_again_is_read_again(own):
    xmas(own, "dataset", "remove", "own", "--yes")
    data = own.parent / "data"
    xmas(own, "dataset", "add", "own", "--annotations", data / "train.json", "--images", data)
    said = xmas(own, "select", "own", "--method", "full")
    assert (said.code, said.out) == (0, "full_b1.00_s0  4 rows\n")


def test_removing_asks_first(own, monkeypatch):
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115, PTH123 - an empty answer
    assert xmas(own, "dataset", "remove", "own").code == 1
    assert "own" in xmas(own, "dataset", "show", "own").out


def test_a_run_that_has_nothing_to_do_prints_the_leaderboard_again(copied):
    said = xmas(
        copied, "run", "shapes", "--method", "xmas", "--method", "random", "--method", "full", "--budget", "0.2"
    )
    assert said.code == 0
    assert "0 of 3 selections to run" in said.err
    assert said.out == xmas(copied, "leaderboard", "shapes").out
    assert "None" not in said.out
    for method in ("xmas", "random", "full", "majority", "question_prior"):
        assert len(lines(said.out, method)) >= 1
    assert f"Report: {copied}/reports/shapes/report.html" in said.err
    assert (copied / "reports" / "shapes" / "report.html").is_file()


@pytest.mark.parametrize("words", [("leaderboard", "shapes"), ("dataset", "list"), ("dataset", "show", "shapes")])
def test_what_is_stored_is_shown_without_loading_anything_heavy(copied, words):
    assert packages(loaded(*words, home=copied)) & HEAVY == set()


def test_select_trains_nothing(copied):
    said = xmas(
        copied, "select", "shapes", "--method", "random", "--method", "xmas", "--budget", "0.05", "--seeds", "2"
    )
    assert (said.code, said.out) == (
        0,
        "".join(f"{method}_b0.05_s{seed}  12 rows\n" for method in ("random", "xmas") for seed in (0, 1)),
    )
    assert not (copied / "tables" / "target_model" / "dataset=shapes" / "selection=random_b0.05_s0").exists()


def test_compare_gives_the_difference_of_two_methods(copied):
    said = xmas(copied, "compare", "shapes", "xmas@0.20", "random@0.2")
    assert said.code == 0
    assert "write METHOD@BUDGET" in xmas(copied, "compare", "shapes", "xmas", "random@0.2").message
    assert xmas(copied, "compare", "shapes", "xmas@0.9", "random@0.2").code == 2


@pytest.mark.slow
def test_theory_reads_what_it_needs_and_compares_attention_with_gradients(copied):
    said = xmas(copied, "theory", "shapes")
    assert said.code == 0
    assert all(word in said.err for word in ("attention_maps ...", "gradients ...", "attention_gradient_agreement ..."))
    assert "proxy_checkpoints" not in said.err
    for name in ("scalar trajectory", "all values", "attention maps"):
        assert f"\n{name}: " in said.out
    again = xmas(copied, "theory", "shapes")
    assert again.out == said.out
    assert " ..." not in again.err  # nothing was made again
    assert "is not registered" in xmas(copied, "theory", "nothing").message


def test_advise_measures_a_dataset_without_training_and_says_what_the_rule_makes_of_it(copied):
    """What the generator made: most rows in groups, drawn again and asked in other words."""
    said = xmas(copied, "advise", "shapes")
    first, last = said.err.splitlines()[1:]
    assert (said.code, first, last.split(" in ")[0]) == (0, "clip_embeddings ...", "clip_embeddings: made")
    (shares,) = (line.split("\t") for line in said.out.splitlines() if "image and text" in line)
    assert shares[1] == "240"
    assert 40 < int(shares[2].strip(" %")) < 100
    assert "At 20% of the rows, repeats make a random subset miss" in " ".join(said.out.split())
    assert "is not registered" in xmas(copied, "advise", "nothing").message


def test_status_counts_what_is_fresh_stale_and_missing(copied):
    said = xmas(copied, "status", "shapes")
    assert said.code == 0
    for asset in ("raw_dataset", "proxy_checkpoints", "clusters", "leaderboard"):
        assert [cell for cell in lines(said.out, asset)[0] if cell.isdigit()] == ["1", "0", "0"]
    assert xmas(copied, "status").out == said.out
    assert "is not registered" in xmas(copied, "status", "nothing").message


def test_sql_answers_in_a_table_and_refuses_in_one_line(copied):
    said = xmas(copied, "sql", "SELECT selection, count(*) AS n FROM selected_subset.subset GROUP BY ALL ORDER BY ALL")
    assert (said.code, [cell for cell in lines(said.out, KEY)[0] if cell.isdigit()]) == (0, ["48"])
    assert "leaderboard.leaderboard" in xmas(copied, "sql", "SELECT * FROM nothing").message


FIRST_COLUMNS = {
    "cluster_sizes": "label",
    "duplicate_images": "image_hash",
    "quarantine_counts": "split",
    "scores_by_skill": "method",
    "subset_by_cluster": "label",
    "subset_composition": "task",
}


@pytest.mark.parametrize("query", query_names())
def test_every_query_that_comes_with_xmas_answers(copied, query):
    selection = ["--set", f"selection={KEY}"] if query.startswith("subset_") else []
    said = xmas(copied, "sql", "--query", query, "--set", "dataset=shapes", *selection)
    assert (said.code, len(lines(said.out, FIRST_COLUMNS[query]))) == (0, 1)


def test_a_mistaken_query_is_told_what_there_is(copied):
    assert xmas(copied, "sql", "--query", "clusters").message.endswith(
        "use one of cluster_sizes, duplicate_images, quarantine_counts, scores_by_skill, subset_by_cluster, "
        "subset_composition"
    )
    assert "takes the parameters dataset, given: none" in xmas(copied, "sql", "--query", "cluster_sizes").message
    for given in ("dataset", "=shapes", "data set=shapes"):
        said = xmas(copied, "sql", "--query", "cluster_sizes", "--set", given)
        line = f"xmas: --set {given!r} is not understood; write NAME=VALUE, for example dataset=mine\n"
        assert (said.code, said.err) == (2, line)
    for words in ((), ("SELECT 1", "--query", "cluster_sizes")):
        said = xmas(copied, "sql", *words)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert said.err.startswith("xmas: give either one SELECT, or --query with one of cluster_sizes, ")


def test_methods_lists_all_and_prints_the_markdown_table(copied):
    assert all(name in xmas(copied, "methods").out for name in ("xmas", "random", "balanced_random", "full"))
    assert xmas(copied, "methods", "--markdown").out.startswith("| method | paper | needs |")


def test_doctor_finds_this_machine_fit(copied):
    said = xmas(copied, "doctor")
    assert said.code in (0, 2)
    first, *findings = (line.split("\t") for line in said.out.splitlines())
    assert first == ["ok", "seen", "remedy"]
    assert all((ok == "True") == (not remedy) for ok, _, remedy in findings)
    assert (said.code == 2) == any(ok == "False" for ok, _, _ in findings)
    assert f"dagster {version('dagster')}" in {seen for _, seen, _ in findings}


def test_ui_refuses_an_address_that_others_can_reach(copied):
    assert "--allow-remote" in xmas(copied, "ui", "--host", "0.0.0.0").message


@pytest.mark.slow
def test_demo_goes_from_dataset_to_leaderboard(tmp_path):
    """On a small dataset of the demo's name: the command takes what is registered."""
    register(tmp_path, "demo")
    said = xmas(tmp_path, "demo", "--workers", "1")
    assert (said.code, "12 of 12 selections to run" in said.err) == (0, True)
    assert len(lines(said.out, "xmas")) == 1


# mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "shapes", "--method", "best"), "xmas: method 'best' is not known; use one of xmas, xmas_coverage"),
        (
            ("run", "nothing", "--method", "xmas"),
            "xmas: dataset 'nothing' is not registered; use one of shapes, or register",
        ),
        (("export", "shapes", "xmas_0.2", "--to", "x.json"), "xmas: selection key 'xmas_0.2' is not understood; write"),
        (
            ("export", "shapes", "xmas_b0.90_s0", "--to", "x.json"),
            "run: xmas select shapes --method xmas --budget 0.90",
        ),
        (("export", "shapes", KEY, "--to", "x.json", "--format", "csv"), "xmas: format 'csv' is not known; use one of"),
        (("leaderboard", "nothing"), "xmas: dataset 'nothing' is not registered"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(copied, words, message):
    assert message in xmas(copied, *words).message


@pytest.mark.parametrize(
    "words", [("run", "shapes"), ("nonsense",), ("run", "shapes", "--method", "xmas", "--seeds", "0")]
)
def test_a_misspelt_command_is_explained_without_a_traceback(copied, words):
    said = xmas(copied, *words)
    assert (said.code, "Traceback" in said.err) == (2, False)


def test_costs_are_printed_by_method_and_budget(own):
    said = xmas(own, "costs", "own")
    assert said.code == 0
    assert {tuple(row[:2]) for row in lines(said.out, "full") + lines(said.out, "random")} == {
        ("full", "1.00"),
        ("random", "0.50"),
    }
    assert xmas(own, "costs", "absent").code == 2
