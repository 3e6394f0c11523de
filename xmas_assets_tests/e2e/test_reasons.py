"""Why the rows of stored selections were kept or dropped: made when asked for, kept, and changing nothing else."""

import shutil

import pytest

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.stages.reasons import selection_reasons
from xmas_assets_tests.e2e.platforms import KEY, xmas


def test_reasons_are_of_the_stored_rows_and_leave_every_version_as_it_was(copied):
    home = Home.open(copied)
    before = {path: path.stat().st_mtime_ns for path in home.tables().rglob("*.parquet")}
    reasons = selection_reasons(home, "shapes", SelectionKey.parse(KEY))
    subset = home.stored("selected_subset", f"shapes|{KEY}")["subset"].frame()
    assert reasons.filter("kept").select("row", "sample_id").equals(subset)
    assert reasons["stands_for_row"].count() > 0
    written = {path for path in home.tables().rglob("*.parquet") if path.stat().st_mtime_ns != before.get(path)}
    assert written == {home.table_directory("selection_reasons", f"shapes|{KEY}") / "selection_reasons.parquet"}
    assert selection_reasons(home, "shapes", SelectionKey.parse(KEY)).equals(reasons)
    statement = "SELECT count(*) AS n FROM selection_reasons.selection_reasons WHERE kept"
    assert xmas(copied, "sql", statement).out.split() == ["n", "48"]


def test_reasons_of_a_selection_that_comes_out_differently_now_are_refused_with_the_command_that_renews_it(
    copied, tmp_path
):
    home = Home.open(copied)
    other = home.stored("selected_subset", "shapes|random_b0.20_s0").directory
    home.put("selected_subset", f"shapes|{KEY}", StoredTables(shutil.copytree(other, tmp_path / "tables")))
    renews = "run: xmas run shapes --method xmas --budget 0.20 --seeds 1"
    with pytest.raises(SelectionError, match=f"made from other signals or parameters .*; {renews}"):
        selection_reasons(home, "shapes", SelectionKey.parse(KEY))
