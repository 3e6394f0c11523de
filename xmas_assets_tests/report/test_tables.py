import io

import polars as pl
from rich.console import Console

from xmas_assets.evaluation.leaderboard import build_leaderboard
from xmas_assets.report.tables import (
    budget_percent,
    leaderboard_cells,
    leaderboard_notes,
    render_markdown,
    render_text,
    task_notes,
)
from xmas_assets_tests.report.made_up import answers, baseline, costs, experiment


def _build(frame: pl.DataFrame) -> pl.DataFrame:
    return build_leaderboard(frame, {"majority": baseline([0.0] * 8)}, costs=costs(), n_resamples=200)


def _printed(table: pl.DataFrame, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render_text(table))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_budgets_read_as_percentages_without_rounding():
    assert [budget_percent(text) for text in ("0.05", "0.125", "0.005", "1.00")] == ["5 %", "12.5 %", "0.5 %", "100 %"]


def test_the_terminal_table_fits_80_columns_with_every_value_whole():
    text = _printed(_build(experiment()))
    assert max(map(len, text.splitlines())) <= 80
    for value in ("75.0", "85.7", "+12.5", "15.0", "200", "majority", "20 %", ".."):
        assert value in text


def test_partial_coverage_stands_beside_the_score_and_is_never_rounded_up_to_all():
    """Seven of eight and 1999 of 2000 questions are 87.5 % and 99.9 %, shown with the score and in a note."""
    table = _build(pl.concat([experiment(), answers("xmas", "0.50", 0, [1.0] * 7 + [None])]))
    assert "87.5 % answered" in _printed(table)
    assert any(
        "Not every question was answered" in note and "xmas at 50 %" in note for note in leaderboard_notes(table)
    )
    nearly = table.with_columns(coverage=pl.lit(0.99999))
    assert "99.9 % answered" in render_markdown(nearly)


def test_single_seeds_and_fewer_common_seeds_are_said():
    frame = pl.concat([experiment().filter(~((pl.col("method") == "full") & (pl.col("seed") == 1)))])
    notes = " ".join(leaderboard_notes(_build(frame)))
    assert "One seed, so the interval leaves out the variation between seeds: full at 100 %." in notes
    assert "only the seeds that both sides have: xmas at 5 %, random at 5 %, xmas at 20 %, random at 20 %." in notes


def test_an_interval_of_one_seed_says_so_next_to_the_number():
    """xmas has two seeds; full has one, so its score and Rel %, and the Rel % of xmas, rest on one."""
    frame = experiment().filter(~((pl.col("method") == "full") & (pl.col("seed") == 1)))
    rows = {(row["method"][0], row["budget"][0]): row for row in leaderboard_cells(_build(frame))}
    assert [rows["full", "100 %"][key][-1] for key in ("score", "rel")] == ["one seed"] * 2
    xmas = rows["xmas", "20 %"]
    assert [xmas[key][-1] == "one seed" for key in ("score", "rel", "vs_random")] == [False, True, False]


def test_several_comparisons_are_counted_and_corrected_and_a_single_one_is_not():
    """Two comparisons: 0.1 of them would leave 0 out by chance."""
    table = _build(experiment())
    (note,) = [note for note in leaderboard_notes(table) if "comparisons" in note]
    assert note.startswith("2 comparisons with random: of so many, 0.1 intervals")
    assert note.endswith("differ from random: none.")
    p = pl.when(budget="0.20").then(0.01 * pl.col("vs_random_p")).otherwise("vs_random_p")
    sure = table.with_columns(p.alias("vs_random_p"))
    assert leaderboard_notes(sure)[-1].endswith("differ from random: xmas at 20 %.")
    single = _build(experiment().filter(pl.col("budget") != "0.05"))
    assert not [note for note in leaderboard_notes(single) if "comparisons" in note]


def test_tasks_that_cannot_be_compared_are_named():
    per_task = pl.DataFrame({"task": ["count", "colour", "count", "size"], "comparable": [False, True, False, False]})
    assert task_notes(per_task) == [
        "Nothing can be compared on these tasks, where full data is not above the blind baselines beyond chance: "
        "count, size."
    ]
    assert task_notes(per_task.filter("comparable")) == []


def test_markup_and_control_codes_in_a_method_name_stay_text():
    evil = "a|<script>\x1b[31m\n[bold]"
    table = _build(pl.concat([experiment(), answers(evil, "0.20", 0, [1.0] * 8)]))
    markdown = render_markdown(table)
    assert "<script>" not in markdown
    assert "\x1b" not in markdown
    assert {line.replace(r"\|", "").count("|") for line in markdown.splitlines() if line.startswith("|")} == {9}
    printed = _printed(table, width=200)
    assert "\x1b" not in printed
    assert r"a|<script>\x1b[31m\n[bold]" in printed
