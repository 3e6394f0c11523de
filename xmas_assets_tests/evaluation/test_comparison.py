"""Comparisons over benchmarks: hand-worked numbers, and intervals against naive resampling loops."""

import zlib
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from xmas_assets.core.resampling import draw_weights
from xmas_assets.core.statistics import interval_of
from xmas_assets.evaluation.benchmark_resamples import Model, Scored
from xmas_assets.evaluation.benchmarks.base import Unit
from xmas_assets.evaluation.benchmarks.pope import Pope
from xmas_assets.evaluation.benchmarks.vqav2 import Vqav2
from xmas_assets.evaluation.comparison import ALL, Comparison, compare

_R = 40
_SELECTIONS = [("xmas", "0.10"), ("xmas", "0.20"), ("random", "0.10"), ("random", "0.20"), ("full", "1.00")]


def _means(scores: dict, *, blind: float = 0.0, n_images: int = 40, seeds: int = 2) -> Scored:
    """VQAv2-like: each selection scores the same on every question, one question to an image."""
    models = {
        Model(method, budget, seed): [Unit((f"q{i}",), "", (score,)) for i in range(n_images)]
        for (method, budget), score in scores.items()
        for seed in range(seeds)
    }
    baselines = {"majority": [Unit((f"q{i}",), "", (blind,)) for i in range(n_images)]}
    return Scored(benchmark=Vqav2(), models=models, baselines=baselines, images={}, n_items=n_images)


def _noisy(benchmark, *, n_values: int, seed: int) -> Scored:
    """Random units in two strata, three questions to an image; better with more data."""
    rng = np.random.default_rng(seed)
    strata = ["a", "b"] if n_values > 1 else [""]
    names = [f"q{i:02d}" for i in range(36)]

    def units(shift: float) -> list[Unit]:
        values = np.clip(rng.random((36, n_values)) * 0.6 + shift * (np.arange(n_values) == 0), 0, 1)
        return [Unit((name,), strata[i % len(strata)], tuple(values[i])) for i, name in enumerate(names)]

    shifts = dict(zip(_SELECTIONS, (0.2, 0.3, 0.15, 0.2, 0.4), strict=True))
    models = {Model(*selection, s): units(shift) for selection, shift in shifts.items() for s in range(3)}
    images = {name: f"image{i // 3}" for i, name in enumerate(names)}
    baselines = {
        "majority": [Unit((name,), strata[i % len(strata)], (0.01,) * n_values) for i, name in enumerate(names)]
    }
    return Scored(benchmark=benchmark, models=models, baselines=baselines, images=images, n_items=36)


def _row(table: pl.DataFrame, **where: object) -> dict:
    return table.filter(**where).row(0, named=True)


def _naive(scored: list[Scored], quantity) -> tuple[float, float, float]:
    """The interval of ``quantity(headline)``; units are copied as often as their image is drawn.

    ``headline(scored, method, budget)`` is the mean over drawn seeds of the benchmark's own headline.
    """
    seed_weights = draw_weights(3, _R, np.random.default_rng(0))
    image_weights = {}
    for each in scored:
        rng = np.random.default_rng([0, zlib.crc32(each.benchmark.name.encode())])
        image_weights[each.benchmark.name] = draw_weights(len(set(each.images.values())), _R, rng)

    def value(resample: int | None, *, images: bool) -> float:
        def headline(each: Scored, method: str, budget: str) -> float:
            names = sorted(set(each.images.values()))
            found = []
            for seed in range(3):
                units = each.models[Model(method, budget, seed)]
                if images:
                    times = dict(zip(names, image_weights[each.benchmark.name][resample], strict=True))
                    units = [unit for unit in units for _ in range(int(times[each.images[unit.item_ids[0]]]))]
                found += [each.benchmark.headline(units)] * (
                    1 if resample is None else int(seed_weights[resample][seed])
                )
            return float(np.mean(found))

        return quantity(headline)

    by_seed = [value(r, images=False) for r in range(_R)]
    crossed = [value(r, images=True) for r in range(_R)]
    n_images = min(len(set(each.images.values())) for each in scored)
    found = interval_of(np.array([value(None, images=False), *by_seed, *crossed]), n_seeds=3, n_clusters=n_images)
    return found.estimate, found.low, found.high


@pytest.fixture(scope="module")
def noisy() -> tuple[list[Scored], Comparison]:
    scored = [_noisy(Vqav2(), n_values=1, seed=1), _noisy(Pope(), n_values=3, seed=2)]
    return scored, compare(scored, n_resamples=_R)


def test_rel_over_benchmarks_is_that_of_naive_loops(noisy):
    scored, found = noisy
    row = _row(found.overall, method="xmas", budget="0.10")
    expected = _naive(
        scored, lambda h: np.mean([100 * h(each, "xmas", "0.10") / h(each, "full", "1.00") for each in scored])
    )
    assert (row["rel"], row["rel_low"], row["rel_high"]) == pytest.approx(expected)
    assert (row["rel_n_seeds"], row["n_benchmarks"]) == (3, 2)


def test_the_paired_difference_from_random_is_that_of_naive_loops(noisy):
    scored, found = noisy

    def gap(headline) -> float:
        return np.mean(
            [
                100
                * (headline(each, "xmas", "0.20") - headline(each, "random", "0.20"))
                / headline(each, "full", "1.00")
                for each in scored
            ]
        )

    row = _row(found.overall, method="xmas", budget="0.20")
    assert (row["vs_random"], row["vs_random_low"], row["vs_random_high"]) == pytest.approx(_naive(scored, gap))


def test_headlines_and_rel_of_one_benchmark_are_those_of_naive_loops(noisy):
    scored, found = noisy
    pope = scored[1:]
    row = _row(found.selections, benchmark="pope", method="random", budget="0.20")
    expected = _naive(pope, lambda h: h(pope[0], "random", "0.20"))
    assert (row["headline"], row["headline_low"], row["headline_high"]) == pytest.approx(expected)
    expected = _naive(pope, lambda h: 100 * h(pope[0], "random", "0.20") / h(pope[0], "full", "1.00"))
    assert (row["rel"], row["rel_low"], row["rel_high"]) == pytest.approx(expected)


def test_rel_is_the_mean_of_ratios_and_wins_are_counted_per_benchmark():
    """One: 0.6 of 0.8 is 75 %, above random's 0.5. Two: 0.3 of 0.5 is 60 %, level with random. Mean 67.5 %."""
    one = _means({("xmas", "0.20"): 0.6, ("random", "0.20"): 0.5, ("full", "1.00"): 0.8})
    two = _means({("xmas", "0.20"): 0.3, ("random", "0.20"): 0.3, ("full", "1.00"): 0.5})
    found = compare([one, _named(two, "two")], n_resamples=20)
    row = _row(found.overall, method="xmas")
    assert row["rel"] == pytest.approx(67.5)
    assert (row["wins"], row["ties"], row["losses"]) == (1, 1, 0)
    assert row["vs_random"] == pytest.approx((75 - 62.5 + 0) / 2)
    assert _row(found.overall, method="random")["vs_random"] is None


def _named(scored: Scored, name: str) -> Scored:
    class Named(Vqav2):
        pass

    Named.name = name
    return Scored(**{**vars(scored), "benchmark": Named()})


def test_a_benchmark_where_full_data_is_no_better_than_guessing_takes_no_part():
    one = _means({("xmas", "0.20"): 0.6, ("random", "0.20"): 0.5, ("full", "1.00"): 0.8})
    blind = _means({("xmas", "0.20"): 0.9, ("random", "0.20"): 0.1, ("full", "1.00"): 0.5}, blind=0.5)
    found = compare([one, _named(blind, "blind")], n_resamples=20)
    assert dict(found.benchmarks.select("benchmark", "comparable").rows()) == {"vqav2": True, "blind": False}
    row = _row(found.overall, method="xmas")
    assert (row["n_benchmarks"], row["rel"], row["wins"]) == (1, pytest.approx(75.0), 1)
    assert _row(found.selections, benchmark="blind", method="xmas")["rel"] is None
    nothing = compare([blind], n_resamples=20)
    assert (len(nothing.overall), len(nothing.data_saved)) == (0, 0)


def test_data_saved_is_read_off_the_curves_and_never_extrapolated():
    """xmas has 91, 96 % at 10, 20 %: 95 % is reached at 18 %. Random has 80, 90, 95 % at 10, 20, 40 %.

    90 %: xmas is there at its smallest budget, so at most 10 %, against 20 %: at least half is saved. 95 %: 18 %
    against 40 %: 55 % saved. 99 %: neither.
    """
    rel = {("xmas", "0.10"): 91, ("xmas", "0.20"): 96, ("full", "1.00"): 100}
    rel |= {("random", "0.10"): 80, ("random", "0.20"): 90, ("random", "0.40"): 95}
    found = compare([_means({key: 0.008 * value for key, value in rel.items()})], n_resamples=20).data_saved
    rows = {(row["method"], row["level"]): row for row in found.filter(benchmark=ALL).iter_rows(named=True)}
    at_90, at_95, at_99 = (rows["xmas", level] for level in (90, 95, 99))
    assert (at_90["reached"], at_90["at_most"], at_90["budget"]) == (True, True, 0.1)
    assert (at_90["saved"], at_90["saved_bound"]) == (pytest.approx(0.5), ">=")
    assert (at_95["at_most"], at_95["budget"]) == (False, pytest.approx(0.18))
    assert (at_95["budget_low"], at_95["budget_high"]) == (pytest.approx(at_95["budget"]),) * 2
    assert (at_95["saved"], at_95["saved_bound"]) == (pytest.approx(0.55), "")
    assert (at_99["reached"], at_99["budget"], at_99["saved"]) == (False, None, None)
    assert rows["random", 95]["budget"] == pytest.approx(0.4)
    assert rows["random", 95]["saved"] is None


def test_a_level_that_random_does_not_reach_gives_a_lower_bound_of_what_is_saved():
    """At 95 %: xmas half way from 10 to 20 %; random is at 92 % with 30 % of the data, its most: half saved or more."""
    rel = {("xmas", "0.10"): 90, ("xmas", "0.20"): 100, ("random", "0.10"): 80, ("random", "0.30"): 92}
    scored = _means({key: 0.008 * value for key, value in (rel | {("full", "1.00"): 100}).items()})
    row = _row(compare([scored], n_resamples=20).data_saved, benchmark=ALL, method="xmas", level=95)
    assert (row["saved"], row["saved_bound"]) == (pytest.approx(0.5), ">=")


def test_only_questions_that_all_have_answered_count_and_the_coverage_says_so():
    """Without q0, of four questions; n_items counts a fifth that nobody answered."""
    scored = _means({("xmas", "0.20"): 0.5, ("full", "1.00"): 1.0}, n_images=4)
    models = dict(scored.models)
    models[Model("xmas", "0.20", 0)] = models[Model("xmas", "0.20", 0)][1:]
    models[Model("full", "1.00", 0)] = [Unit(("q0",), "", (0.0,)), *models[Model("full", "1.00", 0)][1:]]
    found = compare([Scored(**{**vars(scored), "models": models, "n_items": 5})], n_resamples=20)
    assert found.benchmarks["coverage"].to_list() == [0.6]
    assert _row(found.selections, method="full")["headline"] == pytest.approx(100.0)


def test_only_seeds_that_all_sides_have_are_compared():
    """Random lacks seed 1, so the difference rests on seed 0."""
    scored = _means({("xmas", "0.20"): 0.6, ("random", "0.20"): 0.5, ("full", "1.00"): 0.8})
    models = {model: units for model, units in scored.models.items() if model != Model("random", "0.20", 1)}
    row = _row(compare([Scored(**{**vars(scored), "models": models})], n_resamples=20).overall, method="xmas")
    assert (row["rel_n_seeds"], row["vs_random_n_seeds"]) == (2, 1)


def test_a_method_that_misses_a_benchmark_has_no_overall_row():
    one = _means({("xmas", "0.20"): 0.6, ("random", "0.20"): 0.5, ("full", "1.00"): 0.8})
    two = _means({("random", "0.20"): 0.3, ("full", "1.00"): 0.5})
    found = compare([one, _named(two, "two")], n_resamples=20)
    assert found.overall["method"].to_list() == ["full", "random"]


def test_without_full_data_there_are_headlines_and_differences_but_no_rel():
    found = compare([_means({("xmas", "0.20"): 0.6, ("random", "0.20"): 0.5})], n_resamples=20)
    row = _row(found.selections, method="xmas")
    assert (row["headline"], row["vs_random"], row["rel"]) == (pytest.approx(60.0), pytest.approx(10.0), None)
    assert _row(found.overall, method="xmas")["rel"] is None


def test_the_same_answers_in_another_order_give_the_same_tables(noisy):
    scored, found = noisy
    turned = [
        Scored(**{**vars(each), "models": {model: units[::-1] for model, units in reversed(each.models.items())}})
        for each in scored
    ]
    again = compare(turned, n_resamples=_R)
    for name, table in vars(found).items():
        assert vars(again)[name].equals(table), name


@pytest.mark.parametrize("units", [[Unit(("other",), "", (1.0,))], []])
def test_a_benchmark_whose_models_share_no_answered_question_leaves_the_others_as_they_are(units):
    one = _means({("xmas", "0.20"): 0.6, ("random", "0.20"): 0.5, ("full", "1.00"): 0.8})
    apart = {Model("xmas", "0.20", 0): units} | (
        {Model("full", "1.00", 0): one.models[Model("full", "1.00", 0)]} if units else {}
    )
    found = compare([one, Scored(**{**vars(_named(one, "two")), "models": apart})], n_resamples=20)
    alone = compare([one], n_resamples=20)
    row = _row(found.benchmarks, benchmark="two")
    assert (row["coverage"], row["comparable"], row["full"]) == (0.0, False, None)
    assert found.benchmarks.filter(benchmark="vqav2").equals(alone.benchmarks)
    for name in ("selections", "overall", "data_saved"):
        assert getattr(found, name).equals(getattr(alone, name)), name


def test_models_may_be_made_when_they_are_asked_for(noisy):
    """So that those of many models are never in memory together."""

    class Lazy(Mapping):
        def __init__(self, units: Mapping) -> None:
            self.units, self.asked = units, []

        def __getitem__(self, side):
            self.asked.append(side)
            return list(self.units[side])

        def __iter__(self):
            return iter(self.units)

        def __len__(self):
            return len(self.units)

    scored, found = noisy
    lazy = [Lazy(each.models) for each in scored]
    again = compare(
        [Scored(**{**vars(each), "models": models}) for each, models in zip(scored, lazy, strict=True)], n_resamples=_R
    )
    assert [models.asked for models in lazy] == [list(each.models) for each in scored]
    assert all(vars(again)[name].equals(table) for name, table in vars(found).items())
