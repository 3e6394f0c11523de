"""The study's tables on answers made by hand: three units, two skills, one method that gains .5 over random in each."""

import polars as pl
import pytest

from study import analysis, rule, running
from study.design import PLAN, Experiment
from xmas_assets.core.redundancy import Redundancy
from xmas_assets.report import advice

MADE = Experiment("made", "shapes", ("better",), ("0.1",), 3)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "RESULTS", tmp_path)
    folder = tmp_path / MADE.name
    folder.mkdir()
    for unit in range(3):
        rows = [
            (method, budget, unit, f"{task}{number}", f"{number}", task, float(number < n_right + (unit == 2)))
            for method, budget, n_right in (("random", "0.10", 2), ("better", "0.10", 6), ("full", "1.00", 6))
            for task in ("a", "b")
            for number in range(8)
        ]
        schema = ["method", "budget", "seed", "question_id", "image_hash", "task", "score"]
        pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / f"unit{unit}.parquet")
        costs = [(m, b, unit, 1.0, 2.0) for m, b in (("random", "0.10"), ("better", "0.10"), ("full", "1.00"))]
        schema = ["method", "budget", "seed", "cpu_seconds_selection", "cpu_seconds_training"]
        pl.DataFrame(costs, schema=schema, orient="row").write_parquet(folder / f"costs{unit}.parquet")
    blind = [("majority", f"{task}{number}", f"{number}", task, 0.25) for task in ("a", "b") for number in range(8)]
    schema = ["baseline", "question_id", "image_hash", "task", "score"]
    pl.DataFrame(blind, schema=schema, orient="row").write_parquet(folder / "baselines.parquet")


def test_a_table_pairs_each_method_with_random_over_units(results):
    (row,) = analysis.table(MADE).filter(pl.col("method") == "better").to_dicts()
    assert (row["n_seeds"], row["vs_random"]) == (3, pytest.approx(0.5))
    assert row["score"] == pytest.approx((6 + 6 + 7) / 24)


def test_two_methods_are_compared_over_the_units_that_both_have(results):
    found = analysis.difference((MADE, "full"), (MADE, "full"), "1")
    assert (found["difference"], found["n_seeds"]) == (0.0, 3)
    assert analysis.difference((MADE, "better"), (MADE, "random"), "0.1")["difference"] == pytest.approx(0.5)


def test_a_mean_score_weighs_skills_alike(results):
    assert analysis.mean_score(MADE, "full", "1") == pytest.approx((6 + 6 + 7) / 24)


def test_the_gate_is_full_data_above_the_majority_answer_skill_by_skill(results):
    gaps = analysis.gate(MADE)
    assert gaps["task"].to_list() == ["a", "b"]
    assert gaps["gap"].to_list() == pytest.approx([19 / 24 - 0.25] * 2)


def test_what_is_stored_is_not_run_again(results):
    assert running._stored_keys(MADE, 0) == set(MADE.keys(0))
    assert running._stored_keys(MADE, 3) == set()


def test_every_experiment_of_the_plan_has_a_name_of_its_own_and_a_dataset_that_can_be_made():
    from study.datasets import MAKERS

    assert len({experiment.name for experiment in PLAN}) == len(PLAN)
    assert {experiment.dataset for experiment in PLAN} <= MAKERS.keys()


def test_the_rule_is_the_loss_that_parts_what_pays_from_what_does_not():
    """One error is the least possible; of .2 (amid .1 and .3) and .45 (amid .4 and .5) the first gap is wider."""
    seen = pl.DataFrame(
        {"expected_loss": [0.0, 0.1, 0.3, 0.4, 0.5, 0.6], "pays": [False, False, True, False, True, True]}
    )
    assert rule.fitted_threshold(seen) == pytest.approx(0.2)


def test_borders_that_fit_equally_well_are_all_told():
    """Of .15, .25, .35 and .45 the first and the third make one error."""
    seen = pl.DataFrame({"expected_loss": [0.1, 0.2, 0.3, 0.4, 0.5], "pays": [False, True, False, True, True]})
    assert rule.best_borders(seen, "expected_loss")[1] == [(0.1, 0.2), (0.3, 0.4)]
    assert rule.undecided(seen) == (0.15, 0.35)


@pytest.mark.slow
def test_the_rule_of_advise_is_the_one_that_the_stored_results_give():
    on_map = rule.observations().filter(pl.col("part") == "map")
    assert rule.undecided(on_map) == (advice.LOSS_FROM, advice.SURE_FROM)
    assert rule.observations().filter((pl.col("expected_loss") >= advice.SURE_FROM) & ~pl.col("pays")).is_empty()
    assert rule.observations().filter((pl.col("expected_loss") < advice.LOSS_FROM) & pl.col("pays")).is_empty()
    assert rule.METHOD in advice.recommend({advice.SPACE: Redundancy(90, 1.0, 9.0, 0.0, 1.0, 1.0, 1.0, ((9, 10),))})
