"""A benchmark in a package of its own, installed by pip: listed, registered, held to the common suite; a broken one."""

import inspect
import json
import shutil
import sys
from pathlib import Path

import pytest

from xmas_assets.evaluation.benchmarks.base import Files
from xmas_assets.evaluation.benchmarks.benchmark_registry import BenchmarkRegistry
from xmas_assets.evaluation.benchmarks.registry import BUILT_IN
from xmas_assets.home.home import Home
from xmas_assets.home.versions import benchmarks_version
from xmas_assets_tests.e2e.platforms import pip_installed, row, write_dataset
from xmas_assets_tests.e2e.test_external_method import refusal, run
from xmas_assets_tests.evaluation.benchmarks import test_every_benchmark
from xmas_assets_tests.golden import official

PACKAGE = Path(__file__).parents[1] / "external_benchmark"
NAME = "colour_words"
COMMON = [value for name, value in vars(test_every_benchmark).items() if name.startswith("test_")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder that pip installed the package into."""
    return pip_installed(PACKAGE, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    """Its official file, next to the images."""
    folder = tmp_path_factory.mktemp("colours")
    write_dataset(folder, [row(0), row(1)])
    rows = [{"id": f"q{n}", "image": f"{n}.png", "question": f"Colour {n}?", "colour": "Red"} for n in range(2)]
    path = folder / "colours.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def registry(installed, monkeypatch) -> BenchmarkRegistry:
    """All benchmarks, that of the package among them."""
    monkeypatch.syspath_prepend(installed)
    return BenchmarkRegistry(BUILT_IN)


@pytest.mark.parametrize("check", COMMON, ids=lambda check: check.__name__)
def test_the_common_suite_holds_for_it(check, registry, questions, monkeypatch, tmp_path):
    monkeypatch.setattr(test_every_benchmark, "BENCHMARKS", registry)
    monkeypatch.setitem(official._WITHOUT_VECTORS, NAME, Files(questions=(questions,)))
    more = {"tmp_path": tmp_path} if "tmp_path" in inspect.signature(check).parameters else {}
    check(NAME, **more)


@pytest.fixture(scope="module")
def home(installed, questions, tmp_path_factory) -> Path:
    """A home where the benchmark is registered."""
    folder = tmp_path_factory.mktemp("home")
    words = ("benchmark", "add", NAME, "--questions", str(questions), "--images", str(questions.parent))
    added = run(folder, installed, *words)
    assert added.returncode == 0 and "registered colour_words: 2 questions" in added.stdout, added.stderr
    return folder


def test_it_is_registered_and_without_its_package_refused_in_one_line(home, installed):
    assert "colour_words\tcolour_words\t2\t0\taccuracy, percent" in run(home, installed, "benchmark", "list").stdout
    known = refusal(run(home, None, "benchmark", "show", NAME))
    assert known.startswith("benchmark 'colour_words' is not known; use one of vqav2")


def test_a_broken_package_is_told_in_one_line_and_the_other_benchmarks_go_on(home, installed, tmp_path):
    broken = shutil.copytree(installed, tmp_path / "broken")
    (broken / "colour_words.py").write_text("raise RuntimeError('no licence')")
    reason = (
        "benchmark 'colour_words' of package colour-words 1.2.3 cannot be imported from colour_words:ColourWords "
        "(RuntimeError: no licence); repair or remove the package"
    )
    listed = run(home, broken, "benchmark", "list")
    assert listed.returncode == 0 and reason in listed.stderr.splitlines()
    assert refusal(run(home, broken, "benchmark", "show", NAME)) == reason


def test_the_packages_version_is_part_of_the_benchmarks(home, installed, registry, monkeypatch, tmp_path):
    monkeypatch.setattr("xmas_assets.evaluation.benchmarks.registry.BENCHMARKS", registry)
    monkeypatch.setattr("xmas_assets.home.benchmarks.BENCHMARKS", registry)
    before = benchmarks_version(Home.open(home), [NAME])
    newer = shutil.copytree(installed, tmp_path / "newer")
    (info,) = newer.glob("*.dist-info")
    (info / "METADATA").write_text((info / "METADATA").read_text().replace("1.2.3", "1.3.0"))
    monkeypatch.setattr(sys, "path", [str(newer), *(folder for folder in sys.path if folder != str(installed))])
    monkeypatch.setattr("xmas_assets.evaluation.benchmarks.registry.BENCHMARKS", BenchmarkRegistry(BUILT_IN))
    assert benchmarks_version(Home.open(home), [NAME]) != before


class Unnamed(type(BUILT_IN["pope"])):
    """A benchmark that is named after another."""

    name = "Pope 2"


@pytest.mark.parametrize(
    ("loaded", "problem"),
    [
        (3, "is 3, not a subclass of xmas_assets.evaluation.benchmarks.base.Benchmark"),
        (Unnamed, "calls itself 'Pope 2'; use one name, words of a-z and 0-9 joined by '_'"),
        (test_every_benchmark.Benchmark, "lacks name: ClassVar"),
    ],
)
def test_what_cannot_serve_as_a_benchmark_is_refused_with_the_reason(loaded, problem):
    with pytest.raises(ValueError, match="^" + problem.replace("(", r"\(")):
        BenchmarkRegistry({})._accepted(loaded, "pope_2")
