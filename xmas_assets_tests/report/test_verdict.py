import polars as pl
import pytest

from xmas_assets.evaluation.leaderboard import build_leaderboard
from xmas_assets.report.verdict import verdict
from xmas_assets_tests.report.made_up import answers, baseline, costs, experiment

_BLIND = {"majority": baseline([0.0] * 8), "question_prior": baseline([0.0] * 8)}


def _leaderboard(frame: pl.DataFrame | None = None, **ends: float) -> pl.DataFrame:
    """Rel% 85.7 with 80..91 and the difference +12.5 with 2..23 for xmas at 20 %, written over the computed ends."""
    table = build_leaderboard(experiment() if frame is None else frame, _BLIND, costs=costs(), n_resamples=50)
    ends = {"rel_low": 80.0, "rel_high": 91.0, "vs_random_low": 0.02, "vs_random_high": 0.23, "vs_random_p": 0.01} | {
        "vs_blind_low": 0.5,
        "vs_blind_high": 0.9,
        **ends,
    }
    chosen = pl.col("budget").eq("0.20") & pl.col("method").eq("xmas")
    return table.with_columns(pl.when(chosen).then(value).otherwise(name).alias(name) for name, value in ends.items())


def test_the_first_sentence_says_how_far_the_method_gets_and_what_it_is_held_against():
    assert verdict(_leaderboard())[0] == (
        "xmas at 20 % reaches 85.7 % of full data (95 % interval 80.0..91.0), is above random beyond chance "
        "(+12.5 points, +2.0..+23.0), and beats both blind baselines beyond chance."
    )


def test_of_several_methods_it_names_the_best_whatever_it_is_called():
    """At 20 % xmas scores 6/8 and other 7/8."""
    frame = pl.concat([experiment(), *(answers("other", "0.20", seed, [1.0] * 7 + [0.0]) for seed in (0, 1))])
    sentences = verdict(_leaderboard(frame))
    assert sentences[0].startswith("other is the best of 2 methods at 20 %: it reaches 100.0 % of full data")
    assert sentences[1].startswith("xmas at 5 % reaches")


@pytest.mark.parametrize(("low", "seen"), [(-0.02, False), (0.02, True)])
def test_a_method_behind_the_best_without_a_difference_from_random_is_named(low, seen):
    frame = pl.concat([experiment(), *(answers("other", "0.20", seed, [1.0] * 7 + [0.0]) for seed in (0, 1))])
    sentences = verdict(_leaderboard(frame, vs_random_low=low))
    assert ("No difference from random is seen for xmas at 20 %." in sentences) is not seen


def test_guessing_comes_last():
    assert verdict(_leaderboard())[-1] == "Always giving the most common answer scores 0.0 %."


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ({"vs_random_low": -0.02}, "does not differ from random beyond chance (+12.5 points, -2.0..+23.0)"),
        (
            {"vs_random": -0.1, "vs_random_low": -0.2, "vs_random_high": -0.05},
            "is below random beyond chance (-10.0 points, -20.0..-5.0)",
        ),
        ({"vs_random_p": 0.06}, "beyond chance (+12.5 points, +2.0..+23.0), though not when corrected"),
        ({"vs_random_n_seeds": 1}, "(+12.5 points, +2.0..+23.0, one seed)"),
        ({"rel_n_seeds": 1}, "85.7 % of full data (95 % interval 80.0..91.0, one seed)"),
        ({"vs_blind_low": -0.1}, "and does not beat both blind baselines beyond chance."),
        ({"vs_blind_low": -0.2, "vs_blind_high": -0.1}, "and is worse than a blind guess."),
    ],
)
def test_what_is_not_beyond_chance_or_rests_on_one_seed_is_said_next_to_the_number(ends, said):
    assert said in verdict(_leaderboard(**ends))[0]


def test_every_subset_that_is_worse_than_a_blind_guess_is_called_that():
    """80 questions: full data has all right, the guesser half, el2n and random at 20 % none, xmas all."""
    right = {("full", "1.00"): 1.0, ("xmas", "0.20"): 1.0, ("random", "0.20"): 0.0, ("el2n", "0.20"): 0.0}
    frame = pl.concat(answers(*selection, seed, [score] * 80) for selection, score in right.items() for seed in (0, 1))
    blind = {"majority": baseline([1.0, 1.0, 0.0, 0.0] * 20)}
    sentences = verdict(build_leaderboard(frame, blind, costs=costs(), n_resamples=200))
    assert "Worse than a blind guess: el2n at 20 %, random at 20 %." in sentences
    assert sentences[0].endswith("and beats the blind baseline beyond chance.")


def test_where_full_data_is_no_better_than_guessing_nothing_is_compared():
    """Seen on NLVR with the toy model. Here full data has 7 of 8 right, and a guesser 8 of 8."""
    table = build_leaderboard(experiment(), {"majority": baseline([1.0] * 8)}, costs=costs(), n_resamples=200)
    first, *more = verdict(table)
    assert first.startswith("Nothing can be compared: full data scores 87.5 %, which is not above a blind guess")
    assert "(majority: 100.0 %; difference -12.5 points, " in first
    assert first.endswith("so Rel % is not shown.")
    assert not [sentence for sentence in more if "xmas" in sentence or "of full data" in sentence]


def test_full_data_that_is_worse_than_a_guess_is_called_that_too():
    frame = pl.concat(answers("full", "1.00", seed, [0.0] * 8) for seed in (0, 1))
    table = build_leaderboard(frame, {"majority": baseline([1.0] * 8)}, costs=costs(), n_resamples=50)
    assert "Worse than a blind guess: full at 100 %." in verdict(table)


def test_full_data_without_any_answer_compares_nothing():
    frame = pl.concat([experiment().filter(pl.col("method") != "full"), answers("full", "1.00", 0, [None] * 8)])
    assert verdict(build_leaderboard(frame, _BLIND, costs=costs(), n_resamples=50))[0] == (
        "Nothing can be compared: no answer of full data was scored, so Rel % is not shown."
    )


def test_without_full_data_and_random_it_speaks_of_the_score():
    lone = experiment().filter(pl.col("method") == "xmas")
    table = build_leaderboard(lone, {}, costs=costs(), n_resamples=50).with_columns(score_low=0.7, score_high=0.8)
    assert verdict(table)[0] == (
        "xmas at 20 % scores 75.0 % (95 % interval 70.0..80.0), with no random subset to compare it with."
    )


def test_with_baselines_alone_it_says_that_nothing_was_scored():
    table = build_leaderboard(experiment().clear(), {"prior": baseline([1.0] * 8)}, costs=costs(), n_resamples=50)
    assert verdict(table) == ["No method has been scored on this dataset yet."]
