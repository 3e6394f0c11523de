"""What work costs before it is done: ``xmas plan --on`` and ``xmas calibrate``."""

import json
import re
from pathlib import Path

import pytest

from xmas_assets_tests.cli.terminal import terminal
from xmas_assets_tests.e2e.platforms import write_dataset, xmas

DOCS = Path(__file__).parents[2] / "docs"
PLAN = DOCS / "plans" / "llava665k_llava15_7b.yaml"
SHOWN = re.compile(r"^<!-- (xmas plan .*?) -->\n(.*?)\n\n", flags=re.DOTALL | re.MULTILINE)
WORDS = ("plan", "llava", "--method", "xmas", "--budget", "0.2", "--on", "8xH100", "--calibration", PLAN)


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> Path:
    """A home with datasets that were never read, for models that are not here."""
    folder = tmp_path_factory.mktemp("llava")
    words = write_dataset(folder / "data", [])
    for name, profile in (("llava", "llava15_7b"), ("qwen", "qwen25vl_7b"), ("small_proxy", "paper_xmas")):
        assert xmas(folder / "home", "dataset", "add", name, *words, "--profile", profile).code == 0
    return folder / "home"


def as_tables(document: dict[str, list[dict]]) -> str:
    """What a plan prints as a page shows it: a range in one cell, and no host stages, which take next to nothing."""
    rows = ["| stage | GPU hours | hours on the clock |", "|---|---|---|"]
    for row in document["hours"]:
        if row["GPU h"]:
            ends = (f"{row[f'{of} h']:g} to {row[f'{of} h at most']:g}" for of in ("GPU", "clock"))
            rows.append(f"| `{row['stage']}` | {' | '.join(ends)} |")
    for row in document["totals"]:
        ends = f"{row['least']:g}" + (f" to {row['most']:g}" if row["most"] != row["least"] else "")
        rows.append(f"| {row['what']} | {ends} {row['unit']} | |")
    for row in document["pays"]:
        rows.append(
            f"| {row['method']} pays up to | {100 * row['pays up to']:.0f} to {100 * row['pays up to at most']:.0f} % "
            "of the rows | |"
        )
    return "\n".join(rows)


def test_the_plans_that_the_page_shows_are_those_that_are_printed(llava, monkeypatch):
    monkeypatch.chdir(DOCS)
    shown = SHOWN.findall((DOCS / "scale.md").read_text())
    assert len(shown) == 4
    for command, tables in shown:
        words = command.split()[1:]
        said = xmas(llava, *words, "--json")
        assert said.code == 0, said.err
        assert as_tables(json.loads(said.out)) == tables, command


def test_what_was_run_is_planned_from_what_it_took(copied):
    words = ("plan", "shapes", "--method", "xmas", "--budget", "0.2", "--on", "here", "--json")
    document = json.loads(xmas(copied, *words).out)
    hours = {row["stage"]: row for row in document["hours"]}
    assert {"raw_dataset", "proxy_checkpoints", "clusters", "target_model", "benchmark_scores"} < hours.keys()
    assert all(row["by"] == "this dataset" and row["CPU h"] > 0 and row["GPU h"] == 0 for row in hours.values())
    spent = {row["what"]: row["least"] for row in document["totals"]}
    assert spent["CPU"] == pytest.approx(sum(row["CPU h"] for row in hours.values()), rel=0.02)
    assert spent["disk"] > 0
    twice = json.loads(xmas(copied, *words, "--rows", "480").out)
    longer = {row["stage"]: row["CPU h"] for row in twice["hours"]}
    assert longer["proxy_checkpoints"] == pytest.approx(2 * hours["proxy_checkpoints"]["CPU h"], rel=0.02)
    assert longer["base_model"] == hours["base_model"]["CPU h"]


def test_a_plan_for_cards_fits_a_terminal_of_80_columns_and_cuts_no_number(llava, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with terminal(["xmas", *map(str, WORDS), "--price-per-hour", "20"], llava) as screen:
        drawn = re.sub(r"\x1b\[[0-9;]*m", "", screen.read())
    tables = [line for line in drawn.splitlines() if not line.startswith(("XMAS_HOME", "estimates"))]
    assert max(map(len, tables)) <= 80
    document = json.loads(xmas(llava, *WORDS, "--json").out)
    ranges = [(row[f"{of} h"], row[f"{of} h at most"]) for row in document["hours"] for of in ("GPU", "clock")]
    ranges = [ends for ends in ranges if ends[0] and ends[0] != ends[1]]
    cells = [(float(least), float(most)) for least, most in re.findall(r"(\d[.\d]*)-(\d[.\d]*)(?![.\d%]| %)", drawn)]
    assert len(ranges) >= 4
    for ends in ranges:  # two digits at least are drawn
        assert any(cell == pytest.approx(ends, rel=0.05) for cell in cells), ends
    for cell in ("assumed", "25-45%", "at 20 an hour"):
        assert cell in drawn, cell


def test_a_plan_for_programs_has_both_ends_of_a_range_as_numbers(llava):
    """A row of the target by hand, in 10^12 operations: linear layers 2 x 2 x 6.476e9 x 771 = 19.97, attention 3 x 2 x
    32 x 4096 x 771^2 = 0.47, adapters 6 x 128 x 2,498,560 x 771 = 1.48, layers again 9.99 + 0.16, tower 0.35: 32.41.
    133,059 rows of it over 989e12 are 4,361 s, and 2.69 h at 45 %.
    """
    document = json.loads(xmas(llava, *WORDS, "--json").out)
    hours = {row["stage"]: row for row in document["hours"]}
    target, proxy = hours["target_model"], hours["proxy_checkpoints"]
    assert target["GPU h"] == 2.69
    assert target["GPU h at most"] / target["GPU h"] == pytest.approx(0.45 / 0.25, rel=0.01)
    assert target["GPU h"] == pytest.approx(0.2 * proxy["GPU h"], rel=0.01)
    (verdict,) = document["pays"]
    assert (verdict["hours of"], verdict["pays up to"], verdict["pays up to at most"]) == ("GPU", 0, 0)
    assert "not measured there" in xmas(llava, *WORDS).err


def test_what_is_not_known_is_said_and_is_no_0(llava):
    said = xmas(llava, "plan", "llava", "--method", "tive", "--rows", "1000", "--on", "L4", "--json")
    assert (said.code, json.loads(said.out)["totals"]) == (0, [{"what": "features of images", "least": 0,
                                                               "most": 20, "unit": "GB, as set"}])  # fmt: skip
    assert "not known, and not in the totals: raw_dataset; base_model;" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--on", "8xH10"), "card 'H10' is not known; did you mean 'H100'?"),
        (
            ("--on", "here"),
            "llava was not read yet, so its rows are not known; add --rows and how many, or run: xmas",
        ),
        (("--calibration", "absent.yaml"), "absent.yaml: cannot be read"),
    ],
)
def test_a_plan_that_cannot_be_made_is_answered_in_one_line(llava, words, message):
    said = xmas(llava, "plan", "llava", "--method", "xmas", *words)
    assert (said.code, message in said.message) == (2, True), said.err


def test_a_calibration_of_more_rows_than_there_are_is_refused(copied):
    said = xmas(copied, "calibrate", "shapes", "--rows", "100000")
    assert (said.code, "--rows 100000 is not within 64..240, the rows of shapes" in said.message) == (2, True)


@pytest.mark.slow
def test_a_calibration_measures_what_was_never_run_and_leaves_nothing_else(copied):
    before = {path.parent for path in copied.rglob("*")}
    said = xmas(copied, "calibrate", "shapes", "--method", "coincide", "--rows", "64", "--json")
    rates = {row["stage"] for row in json.loads(said.out)["rates"]}
    assert {"proxy_checkpoints", "block_activations", "prepared:coincide", "target_model", "benchmark_scores"} <= rates
    assert {path.parent for path in copied.rglob("*")} - before <= {
        copied / "calibrations",
        copied / "work" / "calibration",
    }
    words = ("plan", "shapes", "--method", "coincide", "--on", "here", "--json")
    hours = {row["stage"]: row for row in json.loads(xmas(copied, *words).out)["hours"]}
    assert hours["block_activations"]["by"] == "calibration"
    assert hours["target_model"]["by"] == "this dataset"
    on_cards = json.loads(xmas(copied, *words[:-2], "8xH100", "--json").out)["hours"]
    assert {row["by"] for row in on_cards if row["stage"] == "block_activations"} == {"assumed 25-50%"}
