import polars as pl

from xmas_assets.evaluation.leaderboard import build_leaderboard
from xmas_assets.report.verdict import verdict
from xmas_assets_tests.report.made_up import baseline, costs, experiment


def _leaderboard() -> pl.DataFrame:
    """Rel% 85.7 with 80..91 and the difference +12.5 with 2..23 for xmas at 20 %, written over the computed ends."""
    table = build_leaderboard(experiment(), {"majority": baseline([1.0, 0.0] * 4)}, costs=costs(), n_resamples=50)
    chosen = pl.col("budget").eq("0.20") & pl.col("method").eq("xmas")
    ends = {"rel_low": 80.0, "rel_high": 91.0, "vs_random_low": 0.02, "vs_random_high": 0.23}
    table = table.with_columns(pl.when(chosen).then(value).otherwise(name).alias(name) for name, value in ends.items())
    is_random = pl.col("method").eq("random")
    return table.with_columns(
        pl.when(is_random).then(low).otherwise(name).alias(name)
        for name, low in {"rel_low": 60.0, "rel_high": 80.0}.items()
    )


def test_the_largest_budget_comes_first_with_rel_percent_random_and_the_difference():
    assert verdict(_leaderboard())[0] == (
        "xmas at 20 % reaches 85.7 % of full data (95 % interval 80.0..91.0); random reaches 71.4 % (60.0..80.0). "
        "Its score is 12.5 points above random's (95 % interval +2.0..+23.0)."
    )


def test_the_last_sentence_says_what_guessing_scores():
    assert verdict(_leaderboard())[-1] == "Always giving the most common answer scores 50.0 %."


def test_an_interval_around_0_is_not_called_a_difference():
    table = _leaderboard().with_columns(vs_random_low=-0.02)
    assert "do not differ beyond chance: +12.5 points, 95 % interval -2.0..+23.0." in verdict(table)[0]


def test_a_worse_method_is_called_so():
    table = _leaderboard().with_columns(vs_random=-0.1, vs_random_low=-0.2, vs_random_high=-0.05)
    assert "10.0 points below random's (95 % interval -20.0..-5.0)" in verdict(table)[0]


def test_without_full_data_and_random_it_speaks_of_the_score():
    lone = experiment().filter(pl.col("method") == "xmas")
    table = build_leaderboard(lone, {}, costs=costs(), n_resamples=50).with_columns(score_low=0.7, score_high=0.8)
    assert verdict(table)[0] == "xmas at 20 % scores 75.0 % (95 % interval 70.0..80.0)."


def test_with_baselines_alone_it_says_that_nothing_was_scored():
    table = build_leaderboard(experiment().clear(), {"prior": baseline([1.0] * 8)}, costs=costs(), n_resamples=50)
    assert verdict(table) == ["No method has been scored on this dataset yet."]
