import io

import polars as pl
from rich.console import Console

from xmas_assets.evaluation.leaderboard import build_leaderboard
from xmas_assets.report.tables import budget_percent, leaderboard_notes, render_markdown, render_text
from xmas_assets_tests.report.made_up import answers, baseline, costs, experiment


def _build(frame: pl.DataFrame) -> pl.DataFrame:
    return build_leaderboard(frame, {"majority": baseline([1.0, 0.0] * 4)}, costs=costs(), n_resamples=200)


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
