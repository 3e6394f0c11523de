"""The page on benchmarks: its table is the registry's, its figures are those of the kept vectors."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xmas_assets.evaluation.benchmarks.family_prompts import family_prompt_table
from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS, benchmark_table
from xmas_assets_tests.golden import official

PAGE = (Path(__file__).parent.parent.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def _share(values: list[bool]) -> float:
    return sum(values) / len(values)


HEADLINES: dict[str, tuple[Callable[[Any], float], Callable[[Any], float]]] = {
    "vqav2": (lambda found: found["results_raw"]["accuracy"]["overall"], lambda found: 100 * found["exact_match"]),
    "vizwiz": (lambda found: found["results_raw"]["overall"], lambda found: 100 * found["exact_match"]),
    "textvqa": (lambda found: 100 * found["accuracy_fraction"], lambda found: 100 * found["exact_match"]),
    "gqa": (lambda found: found["accuracy"], lambda found: 100 * found["exact_match_balanced"]),
    "scienceqa": (lambda found: found["img_acc"], lambda found: 100 * found["exact_match_img"]),
    "mme": (lambda found: found["perception"], lambda found: found["mme_perception_score"]),
    "chartqa": (lambda found: 100 * found["overall"], lambda found: 100 * found["relaxed_overall"]),
    "pope": (
        lambda found: 100 * found["mean_of_categories"]["f1"],
        lambda found: 100 * sum(found[name]["f1"] for name in ("adversarial", "popular", "random")) / 3,
    ),
    "mmbench_en": (
        lambda found: 100 * found["vlmevalkit"]["circular"]["Overall"],
        lambda found: 100 * found["static"]["overall"],
    ),
    "mmbench_cn": (
        lambda found: 100 * found["vlmevalkit"]["circular"]["Overall"],
        lambda found: 100 * found["static"]["overall"],
    ),
    "seedbench": (lambda found: found["total"], lambda found: 100 * found["seed_all"]),
    "mmmu": (
        lambda found: 100 * _share([item["judge"] == "Correct" for item in found["items"].values()]),
        lambda found: 100 * _share([item["correct"] for item in found["items"].values()]),
    ),
    "llavabench": (lambda found: found["summary"]["all"]["relative"], lambda found: found["aggregate"]["all"]),
}
"""By benchmark: its headline in ``expected.json`` and in ``expected_lmms_eval.json``."""


def _between(name: str) -> str:
    return PAGE.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def test_the_tables_of_benchmarks_and_of_families_prompts_are_current():
    assert _between("benchmarks").strip() == benchmark_table().strip()
    assert _between("family-prompts").strip() == family_prompt_table().strip()


@pytest.mark.skipif("XMAS_GOLDEN_BENCH_DIR" in os.environ, reason="the page tells of the vectors that are kept here")
def test_the_figures_of_lmms_eval_are_those_of_the_vectors():
    expected = {}
    for name, (of_script, of_lmms_eval) in HEADLINES.items():
        script = of_script(official.read(name, "expected.json"))
        lmms_eval = of_lmms_eval(official.read(name, "expected_lmms_eval.json"))
        expected[name] = (f"{script:.2f}", f"{lmms_eval:.2f}", f"{lmms_eval - script:+.2f}")
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \| (\S+) \| .+ \|$", _between("lmms-eval"), flags=re.MULTILINE)
    assert {name: figures for name, *figures in rows} == {name: [*figures] for name, figures in expected.items()}


def test_every_benchmark_that_lmms_eval_scored_is_compared():
    scored = {name for name in BENCHMARKS if (official.FOLDER / name / "expected_lmms_eval.json").exists()}
    assert scored <= set(HEADLINES)
