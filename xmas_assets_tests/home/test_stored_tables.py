"""Staged tables and their versions, and the rows that stand for checkpoints and trajectories."""

import dagster as dg
import numpy as np
import polars as pl
import pytest

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.whole import file_sha256
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.home.stored_tables import (
    combine,
    note_sources,
    note_steps,
    read_checkpoints,
    read_sources,
    read_sums,
    stage,
    stage_checkpoints,
)
from xmas_assets.report.text import Markdown
from xmas_assets.resources.outputs import emit
from xmas_assets.store.tables import write_tables

FRAME = pl.DataFrame({"x": [1, 2]})


def test_the_version_is_the_content_not_the_metadata_or_the_place(tmp_path):
    first = stage(tmp_path / "a", {"t": FRAME}, metadata={"said": "one"})
    assert stage(tmp_path / "b", {"t": FRAME}, metadata={"said": "other"}).version == first.version
    assert stage(tmp_path / "c", {"t": FRAME.reverse()}).version != first.version
    assert stage(tmp_path / "d", {"other name": FRAME}).version != first.version
    assert emit(Home.open(tmp_path), first, {}).data_version == dg.DataVersion(first.version)


def test_versions_combine_in_order_and_without_running_together():
    assert combine("a", "b") == combine("a", "b") != combine("b", "a")
    assert combine("ab", "c") != combine("a", "bc")


def test_markdown_and_paths_are_shown_as_such(tmp_path):
    shown = emit(
        Home.open(tmp_path), stage(tmp_path, {"t": FRAME}), {"table": Markdown("| a |"), "where": tmp_path, "rows": 2}
    ).metadata
    assert shown["table"] == dg.MetadataValue.md("| a |")
    assert shown["where"] == dg.MetadataValue.path(str(tmp_path))
    assert shown["rows"] == dg.MetadataValue.int(2)


def test_checkpoints_come_back_by_step_number_also_from_a_home_that_moved(tmp_path):
    home = tmp_path / "home"
    checkpoints = [Checkpoint(step, home / "work" / f"checkpoint-{step}", f"digest {step}") for step in (10, 9)]
    staged = stage_checkpoints(home / "work", checkpoints, home)
    assert read_checkpoints(staged["checkpoints"], tmp_path / "moved") == [
        Checkpoint(9, tmp_path / "moved" / "work" / "checkpoint-9", "digest 9"),
        Checkpoint(10, tmp_path / "moved" / "work" / "checkpoint-10", "digest 10"),
    ]


def test_sums_of_trajectories_are_over_the_values_of_each_step_and_nan_in_rows_without(tmp_path):
    values = np.arange(18, dtype=np.float32).reshape(3, 6)
    values[1] = np.nan
    frame = pl.DataFrame({"sample_id": ["a", "b", "c"], "values": pl.Series(values)})
    scalar = read_sums(stage(tmp_path, {"attention_trajectories": frame}, metadata=note_steps([4, 8, 12])))
    assert (scalar.sample_ids.tolist(), scalar.steps) == (["a", "b", "c"], (4, 8, 12))
    np.testing.assert_array_equal(scalar.sums, [[1, 5, 9], [np.nan] * 3, [25, 29, 33]])


def test_a_table_that_another_version_named_otherwise_is_refused_with_what_to_do(tmp_path):
    home = Home.open(tmp_path)
    folder = home.table_directory("attention_trajectories", "shapes")
    write_tables(folder, {"trajectories": FRAME})
    with pytest.raises(StoreError) as caught:
        read_sums(home.stored("attention_trajectories", "shapes"))
    assert str(caught.value) == (
        f"{folder} has no table 'attention_trajectories', only trajectories: another version of xmas_assets made it; "
        f"delete {folder}, then materialize attention_trajectories in the UI, or run: xmas select shapes --method "
        "METHOD"
    )
    assert "trajectories" not in stored_signals(home, "shapes")


def test_the_files_that_a_table_was_read_from_are_noted_as_they_were_then(tmp_path):
    """The expected hash is SHA-256 of the empty string, as published."""
    source = tmp_path / "a.json"
    source.touch()
    stored = stage(tmp_path, {"t": FRAME}, metadata=note_sources({source: file_sha256(source)}))
    source.write_text("changed")
    (noted,) = read_sources(stored["t"])
    assert noted.name == "a.json"
    assert noted.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_table_of_an_older_version_that_does_not_say_its_sources_is_refused(tmp_path):
    table = stage(tmp_path, {"t": pl.DataFrame({"row": [0]})})["t"]
    with pytest.raises(StoreError, match="older version of .*; delete .* run: xmas select DATASET --method random$"):
        read_sources(table)


def test_sums_are_read_block_by_block_in_row_order(tmp_path):
    """20,000 rows are more than one block; row i holds i at the first and i + 1 at the second checkpoint."""
    numbers = np.arange(20_000, dtype=np.float32)[:, None] + np.array([0, 1], dtype=np.float32)
    frame = pl.DataFrame({"sample_id": pl.Series(map(str, range(20_000))), "values": numbers})
    scalar = read_sums(stage(tmp_path, {"attention_trajectories": frame}, metadata=note_steps([1, 2])))
    np.testing.assert_array_equal(scalar.sums, numbers)
