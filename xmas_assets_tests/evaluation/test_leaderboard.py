import polars as pl
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.evaluation.leaderboard import build_leaderboard, build_per_task, rel_percent_by_seed
from xmas_assets_tests.report.made_up import answers, baseline, costs, experiment

_HALF = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]


def _build(frame: pl.DataFrame | pl.LazyFrame, **baselines: pl.DataFrame) -> pl.DataFrame:
    return build_leaderboard(frame, baselines, costs=costs(), n_resamples=200)


def _row(table: pl.DataFrame, method: str, budget: str | None) -> dict:
    row = table.filter(pl.col("method") == method, pl.col("budget").eq_missing(pl.lit(budget, pl.String)))
    return row.row(0, named=True)


def test_rows_go_by_budget_then_falling_score_then_baselines():
    majority = baseline([1.0, 0.0] * 4)
    table = _build(experiment().sample(fraction=1, shuffle=True, seed=1), majority=majority)
    assert table.select("budget", "method").rows() == [
        ("0.05", "xmas"),
        ("0.05", "random"),
        ("0.20", "xmas"),
        ("0.20", "random"),
        ("1.00", "full"),
        (None, "majority"),
    ]


def test_scores_rel_differences_and_costs_are_those_worked_by_hand():
    """xmas at 20 %: 6 of 8 right; full 7 of 8, so Rel% = 600 / 7; random 5/8, so the difference is 1/8."""
    row = _row(_build(experiment()), "xmas", "0.20")
    assert row["score"] == pytest.approx(0.75)
    assert row["rel_percent"] == pytest.approx(600 / 7)
    assert row["vs_random"] == pytest.approx(0.125)
    assert (row["selection_cpu_seconds"], row["training_cpu_seconds"]) == (15.0, 200.0)
    assert (row["n_seeds"], row["n_questions"], row["coverage"]) == (2, 8, 1.0)
    assert row["score_low"] <= 0.75 <= row["score_high"]
    assert row["rel_low"] <= 600 / 7 <= row["rel_high"]


def test_each_seed_has_its_own_score_in_percent_of_full_data_with_the_same_seed():
    """random at 20 %: 4 and 6 of 8 right; full data 7 of 8 with both seeds."""
    frame = experiment()
    rel = rel_percent_by_seed(frame, _build(frame))
    assert [rel["random", "0.20", seed] for seed in (0, 1)] == pytest.approx([400 / 7, 600 / 7])
    assert rel["full", "1.00", 0] == pytest.approx(100)
    one = frame.filter((pl.col("method") != "full") | (pl.col("seed") == 0))
    assert ("random", "0.20", 1) not in rel_percent_by_seed(one, _build(one))
    without = frame.filter(pl.col("method") != "full")
    assert rel_percent_by_seed(without, _build(without)) == {}


def test_a_baseline_has_a_score_and_rel_percent_but_no_budget_seeds_or_cost():
    """Right on the first question only: 1/4 of task colour, nothing of count: 1/8; 100 / 7 % of full data."""
    row = _row(_build(experiment(), majority=baseline([1.0] + [0.0] * 7)), "majority", None)
    assert (row["score"], row["rel_percent"]) == pytest.approx((1 / 8, 100 / 7))
    assert [row[name] for name in ("budget", "n_seeds", "vs_random", "vs_blind", "training_cpu_seconds")] == [None] * 5


def test_the_difference_from_the_best_blind_baseline_is_the_lowest_of_all():
    """xmas at 20 % scores 6/8. Right on q0, q1: 2/8. Right on q6, q7, where xmas is wrong: 2/8, and no less sure."""
    first, last = baseline([1.0] * 2 + [0.0] * 6), baseline([0.0] * 6 + [1.0] * 2)
    both, one, other = (
        _row(_build(experiment(), **kind), "xmas", "0.20")
        for kind in ({"first": first, "last": last}, {"first": first}, {"last": last})
    )
    assert both["vs_blind"] == pytest.approx(0.5)
    for end in ("vs_blind_low", "vs_blind_high"):
        assert both[end] == min(one[end], other[end])
    assert one["vs_blind_low"] > other["vs_blind_low"]


@pytest.mark.parametrize(
    ("blind", "comparable"),
    [
        ({}, True),
        ({"majority": baseline([0.0] * 8)}, True),
        ({"majority": baseline([1.0, 0.0] * 4)}, False),
        ({"majority": baseline([1.0] * 8)}, False),
        ({"majority": baseline([0.0] * 8), "question_prior": baseline([1.0, 0.0] * 4)}, False),
    ],
)
def test_nothing_can_be_compared_unless_full_data_beats_every_blind_baseline_beyond_chance(blind, comparable):
    """Full data scores 7/8 on 4 images. A half-right guesser is 3/8 lower, which is within chance: -0.02 to 0.77."""
    table = _build(experiment(), **blind)
    assert table["comparable"].unique().to_list() == [comparable]
    assert table["rel_percent"].is_null().all() == (not comparable)
    assert _row(table, "xmas", "0.20")["vs_random"] == pytest.approx(0.125)


def test_p_values_are_corrected_for_the_number_of_comparisons():
    """With one budget there is one comparison; with two, the smaller p counts twice (Holm)."""
    one = _row(_build(experiment().filter(pl.col("budget") != "0.05")), "xmas", "0.20")["vs_random_p"]
    both = _build(experiment()).filter(method="xmas").sort("budget", maintain_order=True)["vs_random_p"].to_list()
    assert one < min(both) * 1.01
    assert min(both) == pytest.approx(min(1.0, 2 * min(one, both[0] / 2)))


def test_without_random_and_full_their_columns_are_null():
    row = _row(_build(answers("xmas", "0.20", 0, _HALF)), "xmas", "0.20")
    assert row["score"] == pytest.approx(0.5)
    absent = [value for name, value in row.items() if name.startswith(("rel_", "vs_random"))]
    assert absent == [None] * 9


def test_comparisons_use_the_common_seeds_only_and_say_how_many():
    """xmas scores 1/2 with seed 0 and 1 with seed 1; full has seed 1 only, so Rel% is 100 and not 75."""
    frame = pl.concat(
        [
            answers("xmas", "0.20", 0, _HALF),
            answers("xmas", "0.20", 1, [1.0] * 8),
            answers("full", "1.00", 1, [1.0] * 8),
        ]
    )
    row = _row(_build(frame), "xmas", "0.20")
    assert (row["score"], row["n_seeds"]) == (pytest.approx(0.75), 2)
    assert (row["rel_percent"], row["rel_n_seeds"]) == (pytest.approx(100.0), 1)


def test_seeds_without_a_partner_give_no_comparison():
    frame = pl.concat([answers("xmas", "0.20", 0, _HALF), answers("full", "1.00", 1, [1.0] * 8)])
    assert _row(_build(frame), "xmas", "0.20")["rel_percent"] is None


def test_an_unanswered_question_lowers_coverage_and_is_not_a_wrong_answer():
    """Six of eight answered, all right: score 1 on 75 %; it matters not whether the row is null or absent."""
    null = answers("xmas", "0.20", 0, [1.0] * 6 + [None, None])
    for frame in (null, null.drop_nulls("score")):
        row = _row(_build(frame, majority=baseline([0.0] * 8)), "xmas", "0.20")
        assert (row["score"], row["coverage"], row["n_questions"]) == (1.0, 0.75, 8)


def test_a_selection_without_any_answer_has_coverage_0_and_no_score():
    frame = pl.concat([experiment(), answers("xmas", "0.50", 0, [None] * 8)])
    row = _row(_build(frame), "xmas", "0.50")
    assert (row["score"], row["score_low"], row["rel_percent"], row["coverage"]) == (None, None, None, 0.0)


def test_a_row_does_not_depend_on_the_others():
    alone = _row(_build(experiment().filter(pl.col("method") != "random")), "xmas", "0.05")
    together = _row(_build(experiment()), "xmas", "0.05")
    kept = ("score", "score_low", "score_high", "rel_percent", "rel_low", "rel_high")
    assert [alone[name] for name in kept] == [together[name] for name in kept]


def test_questions_without_an_image_or_task_are_scored_too():
    frame = experiment().with_columns(image_hash=pl.lit(None, pl.String), task=pl.lit(None, pl.String))
    row = _row(_build(frame.lazy()), "xmas", "0.20")
    assert row["score"] == pytest.approx(0.75)
    assert row["score_low"] < row["score_high"]


def test_without_answers_the_leaderboard_has_its_columns_and_no_rows():
    board, tasks = _build(experiment().clear()), build_per_task(experiment().clear(), {})
    assert (len(board), board.columns) == (0, _build(experiment()).columns)
    assert (len(tasks), tasks.columns) == (0, build_per_task(experiment(), {}).columns)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pl.concat([experiment(), experiment().head(1)]), "two answers.*xmas.*0.05.*q0"),
        (experiment().with_columns(task=pl.concat_str("task", "seed")), "q0 belongs to two tasks"),
    ],
)
def test_answers_that_cannot_be_ranked_are_refused(frame, said):
    with pytest.raises(StoreError, match=said):
        _build(frame)


def test_per_task_is_the_mean_over_seeds_of_each_tasks_questions():
    """Random at 20 %: seed 0 has q0..q3 right, 2 of 4 in each task; seed 1 has q0..q5, 3 of 4 in each: mean 5/8."""
    table = build_per_task(experiment(), {"majority": baseline([1.0, 0.0] * 4)}).drop("comparable")
    assert table.filter(method="random", budget="0.20").rows() == [
        ("random", "0.20", "colour", 8, 0.625),
        ("random", "0.20", "count", 8, 0.625),
    ]
    assert table.tail(2).rows() == [("majority", None, "colour", 4, 1.0), ("majority", None, "count", 4, 0.0)]


def test_each_task_says_for_itself_whether_methods_can_be_compared():
    """Full data has all of colour right and 3 of 4 of count; the guesser none of colour and all of count."""
    table = build_per_task(experiment(), {"majority": baseline([0.0, 1.0] * 4)})
    assert dict(table.select("task", "comparable").unique().iter_rows()) == {"colour": True, "count": False}
