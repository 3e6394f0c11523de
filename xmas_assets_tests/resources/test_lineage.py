"""Metrics of the comparison: each seed's own number on its run, the means over seeds on the parent."""

import polars as pl

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.evaluation.benchmark_resamples import Model, Scored
from xmas_assets.evaluation.benchmarks.base import Unit
from xmas_assets.evaluation.benchmarks.vqav2 import Vqav2
from xmas_assets.evaluation.comparison import compare
from xmas_assets.resources.lineage import comparison_records


def test_each_seed_has_its_own_number_and_the_parent_the_mean():
    """xmas: 50 and 70 of 100, full data 80 and 80: means 60 and 80, so 75 %."""
    reached = {Model("xmas", "0.20", 0): 0.5, Model("xmas", "0.20", 1): 0.7}
    reached |= {Model("full", "1.00", seed): 0.8 for seed in (0, 1)}
    models = {model: [Unit((f"q{i}",), "", (score,)) for i in range(9)] for model, score in reached.items()}
    found = compare([Scored(benchmark=Vqav2(), models=models, baselines={}, images={}, n_items=9)], n_resamples=20)
    tables = {"benchmark_selections": found.selections, "benchmark_overall": found.overall}
    tables |= {"benchmark_seeds": found.seeds}
    keys = [SelectionKey.make(model.method, model.budget, model.seed) for model in reached]
    board = pl.DataFrame(
        {"method": ["xmas"], "budget": ["0.20"], "score": [0.5], "rel_percent": None, "vs_random": None}
    )
    records = comparison_records("mine", tables | {"leaderboard": board}, [(key, str(key), None) for key in keys])
    by_name = {record.name: record for record in records}
    assert by_name["train xmas_b0.20_s0"].metrics == {"benchmark/vqav2": 50.0}
    assert by_name["train xmas_b0.20_s1"].metrics["benchmark/vqav2"] - 70 < 1e-9
    parent = by_name["xmas at 0.20"]
    assert {name: round(value, 6) for name, value in parent.metrics.items()} == {
        "score": 0.5,
        "benchmark/vqav2": 60.0,
        "benchmark/vqav2/rel": 75.0,
        "benchmarks/rel": 75.0,
        "benchmarks/wins": 0,
        "benchmarks/ties": 0,
        "benchmarks/losses": 0,
    }
    assert by_name["train xmas_b0.20_s0"].parent == by_name["train xmas_b0.20_s1"].parent == parent.key
    assert records.index(parent) < records.index(by_name["train xmas_b0.20_s0"])
