from collections.abc import Sequence

import polars as pl
import pytest

from xmas_assets.evaluation.benchmark_resamples import Model, Scored
from xmas_assets.evaluation.benchmarks.base import Unit
from xmas_assets.evaluation.benchmarks.vqav2 import Vqav2
from xmas_assets.evaluation.comparison import compare
from xmas_assets.report.comparison import comparison_notes, comparison_verdict, saved_sentence, score_rows


def _said(
    scores: dict[tuple[str, str], float], *, blind: float = 0.1, seeds: int = 2, others: Sequence[Scored] = ()
) -> list[str]:
    """The verdict on one benchmark where each selection scores the same on all of 40 questions."""
    models = {
        Model(*selection, seed): [Unit((f"q{i}",), "", (score,)) for i in range(40)]
        for selection, score in scores.items()
        for seed in range(seeds)
    }
    baselines = {"majority": [Unit((f"q{i}",), "", (blind,)) for i in range(40)]}
    one = Scored(benchmark=Vqav2(), models=models, baselines=baselines, images={}, n_items=40)
    found = compare([*([one] if scores else []), *others])
    return comparison_verdict(
        found.benchmarks, found.selections, overall=found.overall, data_saved=found.data_saved
    ) + comparison_notes(found.overall)


_SCORES = {("xmas", "0.10"): 0.728, ("xmas", "0.20"): 0.768, ("el2n", "0.20"): 0.72}
_SCORES |= {("random", "0.10"): 0.64, ("random", "0.20"): 0.72, ("random", "0.40"): 0.768, ("full", "1.00"): 0.8}


def test_the_first_sentence_names_the_best_method_random_and_the_blind_baselines():
    """xmas 0.768 / 0.8 = 96 %, random 0.72 / 0.8 = 90 %: 6 points, without any doubt in these made-up scores."""
    first, second, *_ = _said(_SCORES)
    assert first == (
        "xmas is the best of 2 methods at 20 %: it reaches 96.0 % of full data over 1 benchmark (95 % interval "
        "96.0..96.0), is above random beyond chance (+6.0 points, +6.0..+6.0; wins 1, ties 0, losses 0), and beats the "
        "blind baselines beyond chance on 1 of 1 benchmarks."
    )
    assert second.startswith("xmas at 10 % reaches 91.0 % of full data")


def test_the_data_that_the_best_method_saves_is_said_at_each_level_or_that_it_is_not_reached():
    """xmas: 91, 96 % at 10, 20 %: 95 % at 18 %. Random: 90, 96 % at 20, 40 %: 95 % at 36.7 %. 1 - 18 / 36.7 = 51 %."""
    sentences = _said(_SCORES)
    assert (
        "For 95 % of full data's score xmas needs 18.0 % of the data (95 % interval 18.0..18.0), 51 % less than random "
        "(95 % interval 50.9..50.9)."
    ) in sentences
    assert any(
        line.startswith("For 90 % of full data's score xmas needs at most 10.0 % of the data") for line in sentences
    )
    assert "xmas does not reach 99 % of full data's score with the budgets that were tried." in sentences


def test_one_seed_is_said_next_to_each_number():
    first, *more = _said(_SCORES, seeds=1)
    assert "(95 % interval 96.0..96.0, one seed)" in first
    assert "+6.0..+6.0, one seed;" in first
    assert "18.0..18.0, one seed)" in " ".join(more)


def test_where_full_data_is_no_better_than_guessing_nothing_is_compared():
    assert _said(_SCORES, blind=0.8) == [
        "Nothing can be compared: on no benchmark is full data above the blind baselines beyond chance (vqav2), so "
        "Rel % is not shown."
    ]


def test_a_benchmark_without_a_question_that_all_answered_is_named_after_the_others():
    models = {
        Model("full", "1.00", 0): [Unit(("q0",), "", (1.0,))],
        Model("random", "0.20", 0): [Unit(("q1",), "", (1.0,))],
    }
    apart = Scored(benchmark=Vqav2(), models=models, baselines={}, images={}, n_items=2, name="apart")
    found = _said(_SCORES, others=[apart])
    first, last = found[0], found[-2]  # before the note on comparisons
    assert first.startswith("xmas is the best of 2 methods at 20 %")
    expected = "Nothing can be compared on apart, which takes no part: no question of it was answered by all targets"
    assert last.startswith(expected)
    assert _said({}, others=[apart]) == [last]


def test_a_subset_worse_than_a_blind_guess_is_called_that():
    first, *_ = _said({("xmas", "0.20"): 0.2, ("random", "0.20"): 0.2, ("full", "1.00"): 0.8}, blind=0.5)
    assert "does not differ from random beyond chance" in first
    assert first.endswith("on 0 of 1 benchmarks; it is worse than a blind guess on vqav2.")


def test_comparisons_are_counted():
    """xmas at two budgets and el2n at one: three comparisons, of which el2n's is level with random."""
    (note,) = [line for line in _said(_SCORES) if "comparisons with random:" in line]
    assert note.startswith("3 comparisons with random: of so many, 0.15 intervals")
    assert note.endswith("differ from random: xmas at 10 %, xmas at 20 %.")


@pytest.mark.parametrize(("bound", "words"), [("", ""), (">=", "at least "), ("<=", "at most ")])
def test_a_bound_of_what_is_saved_is_said(bound, words):
    row = {"method": "xmas", "level": 95.0, "reached": True, "at_most": False, "n_seeds": 3, "budget": 0.08}
    row |= {"budget_low": 0.07, "budget_high": 0.09, "saved": 0.2, "saved_low": 0.1, "saved_high": 0.3}
    assert saved_sentence(row | {"saved_bound": bound}) == (
        "For 95 % of full data's score xmas needs 8.0 % of the data (95 % interval 7.0..9.0), "
        f"{words}20 % less than random (95 % interval 10.0..30.0)."
    )


def test_an_end_beyond_the_budgets_is_unknown_and_more_data_than_random_is_no_saving():
    row = {"method": "xmas", "level": 95.0, "reached": True, "at_most": False, "n_seeds": 3, "budget": 0.3}
    row |= {"budget_low": 0.2, "budget_high": None, "saved": -0.5, "saved_low": None, "saved_high": 0.1}
    row |= {"saved_bound": ""}
    assert saved_sentence(row) == (
        "For 95 % of full data's score xmas needs 30.0 % of the data (95 % interval 20.0..unknown), more than random "
        "does."
    )


def test_the_small_table_has_scores_with_their_coverage_and_what_is_not_scored():
    """Blind guessers (no budget) are left out."""
    compared = {
        "benchmarks": pl.DataFrame({"benchmark": ["pope"], "coverage": [0.98765]}),
        "benchmark_selections": pl.DataFrame(
            {
                "benchmark": ["pope"] * 3,
                "method": ["xmas", "full", "majority"],
                "budget": ["0.20", "1.00", None],
                "headline": [200 / 3, None, 50.0],
            }
        ),
    }
    states = pl.DataFrame({"benchmark": ["pope", "vizwiz"], "coverage": [1.0, 0.5], "not_scored": [None, "no judge"]})
    assert score_rows(compared, {"benchmark_states": states}) == [
        ["Benchmark", "Budget", "Method", "Score", "Coverage"],
        ["pope", "20 %", "xmas", "66.7", "98.8 %"],
        ["pope", "100 %", "full", "-", "98.8 %"],
        ["vizwiz", "-", "-", "not scored", "50.0 %"],
    ]
    assert score_rows({}, {}) == []
