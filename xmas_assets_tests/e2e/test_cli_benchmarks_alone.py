"""A dataset without test records of its own, scored on benchmarks alone, and compared on them."""

import json

import pytest

from xmas_assets.data.registration_file import replace_line
from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import xmas
from xmas_assets_tests.e2e.test_cli_benchmarks import write_pope

_RUN = ("run", "shapes", "--method", "random", "--method", "full", "--budget", "0.2")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def alone(copied, tmp_path_factory):
    """A home whose dataset ``shapes`` lost its test records and is scored on two benchmarks, and what the run said."""
    registration, folder = Home.open(copied).registration("shapes"), tmp_path_factory.mktemp("benchmarks")
    assert registration.images is not None
    images = [row["image"] for row in json.loads(registration.test[0].read_text(encoding="utf-8"))[:5]]
    for name in ("rings", "stars"):
        words = write_pope(folder, images=images, n_questions=8, words=name)
        assert xmas(copied, "benchmark", "add", name, *words, "--images", registration.images).code == 0
    replace_line(Home.open(copied).registration_path("shapes"), "test", [])
    return copied, xmas(copied, *_RUN, "--benchmark", "rings", "--benchmark", "stars")


def test_the_leaderboard_and_the_report_are_of_the_benchmarks_alone(alone):
    home, said = alone
    assert said.code == 0, said.err
    assert "The dataset has no test records of its own" in said.err
    stored = Home.open(home).stored("leaderboard", "shapes")
    assert (stored["leaderboard"].n_rows, stored["per_task"].n_rows) == (0, 0)
    selections = stored["benchmark_selections"].frame()
    assert sorted(set(selections["benchmark"])) == ["rings", "stars"]
    assert sorted(set(selections["method"])) == ["full", "majority", "question_prior", "random"]
    assert Home.open(home).stored("benchmark_scores", "shapes|full_b1.00_s0")["answers"].n_rows == 0
    report = Home.open(home).report("shapes").read_text(encoding="utf-8")
    assert "has no test records of its own" in report and "8 of rings, 8 of stars" in report
    assert "<h2>Leaderboard</h2>" not in report and "<h2>Benchmarks</h2>" in report


def test_what_is_printed_again_is_the_same(alone):
    home, said = alone
    assert xmas(home, "leaderboard", "shapes").out == said.out
    assert xmas(home, "leaderboard", "shapes", "--published").code == 0


def test_two_selections_are_compared_on_each_benchmark(alone):
    home, _ = alone
    said = xmas(home, "compare", "shapes", "full@1", "random@0.2")
    assert said.code == 0, said.err
    names, *rows = [line.split("\t") for line in said.out.splitlines() if line]
    assert [row[0] for row in rows] == ["rings", "stars"]
    headlines = Home.open(home).stored("leaderboard", "shapes")["benchmark_selections"].frame()
    for row in (dict(zip(names, row, strict=True)) for row in rows):
        of = dict(headlines.filter(benchmark=row["benchmark"]).select("method", "headline").iter_rows())
        assert float(row["difference"]) == pytest.approx(of["full"] - of["random"])
        assert row["comparable"] == str(not row["why_not"])
    assert "full@1 against random@0.2 over " in said.err
    assert "xmas@0.90 has not been scored; there are " in xmas(home, "compare", "shapes", "xmas@0.9", "full@1").message
