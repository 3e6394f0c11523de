"""The theory check and the redundancy measures, from stored tables."""

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import pdist

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, note_shapes
from xmas_assets.report.agreement import agreement_cells, agreement_figure, agreement_verdict, describe_agreement
from xmas_assets.report.redundancy import redundancy_cells
from xmas_assets.stages.agreement import agreement_table, sample_pairs
from xmas_assets.stages.redundancy import measure_dataset
from xmas_assets.store.tables import write_tables

N_ROWS = 60
WITHOUT = [3, 7, 8]  # no attention, no map, no gradient
RAW, TRAJECTORIES, MAPS, GRADIENTS = ASSETS = ("raw_dataset", "attention_trajectories", "attention_maps", "gradients")
TABLES = {RAW: "samples", TRAJECTORIES: TRAJECTORIES, MAPS: "attention_maps", GRADIENTS: "gradients"}


def lists(values: np.ndarray) -> pl.Series:
    flat = values.reshape(len(values), -1).astype(np.float32)
    return pl.Series(flat, dtype=pl.Array(pl.Float32, flat.shape[1]))


def write(home: Home, order: np.ndarray) -> list[StoredTables]:
    """Twelve groups of five rows, alike in their maps and their gradients; trajectories are drawn at random."""
    rng = np.random.default_rng(0)
    group = np.arange(N_ROWS) // 5
    maps, gradients = rng.normal(size=(2, 12, 8))[:, group] + 0.05 * rng.normal(size=(2, N_ROWS, 8))
    values = rng.random((N_ROWS, 3, 2))
    norms = np.linalg.norm(gradients, axis=1).astype(np.float32)
    values[WITHOUT[0]], maps[WITHOUT[1]], gradients[WITHOUT[2]], norms[WITHOUT[2]] = (np.nan,) * 4
    ids = [f"id{number:02}" for number in range(N_ROWS)]
    frames = {
        RAW: pl.DataFrame({"sample_id": ids, "task": [("a", "b", None)[row % 3] for row in range(N_ROWS)]}),
        TRAJECTORIES: pl.DataFrame({"values": lists(values)}),
        MAPS: pl.DataFrame({"values": lists(maps)}),
        GRADIENTS: pl.DataFrame({"projected": lists(gradients), "norm": norms}),
    }
    shapes = {TRAJECTORIES: {"values": (3, 2)}, MAPS: {"values": (2, 4)}}
    for asset, frame in frames.items():
        notes = note_shapes(shapes.get(asset, {}))
        write_tables(home.table_directory(asset, "ds"), {TABLES[asset]: frame[order]}, metadata=notes)
    return [StoredTables(home.table_directory(asset, "ds")) for asset in ASSETS]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write(Home.open(tmp_path_factory.mktemp("home")), np.arange(N_ROWS))


def test_one_checkpoint_counts_alone(tables):
    """Maps are written as (2 checkpoints, 4 cells), so the first checkpoint is their first four numbers."""
    usable = [row for row in range(N_ROWS) if row not in WITHOUT]
    maps = tables[2]["attention_maps"].column("values")[usable]
    pairs = sample_pairs(*tables, checkpoints=slice(0, 1))
    np.testing.assert_allclose(pairs.attention["attention_maps"], pdist(maps[:, :4]), rtol=1e-5)


@pytest.fixture(scope="module")
def table(tables):
    return agreement_table(sample_pairs(*tables))


def test_only_rows_with_attention_and_gradient_are_compared(tables):
    pairs = sample_pairs(*tables)
    assert (len(pairs.tasks), pairs.n_without) == (57, 3)
    assert {len(distances) for distances in (pairs.attention | pairs.gradient).values()} == {57 * 56 // 2}


def test_maps_agree_with_gradients_and_trajectories_do_not(table):
    rows = table.filter(pairs="all", gradient="direction").rows_by_key("attention", named=True, unique=True)
    assert rows["attention_maps"]["auc_low"] > 0.9
    assert rows["scalar_trajectory"]["auc_low"] < 0.5 < rows["scalar_trajectory"]["auc_high"]
    assert table["pairs"].unique().sort().to_list() == ["all", "different_tasks", "same_task"]
    assert len(table) == 18


def test_the_order_of_the_rows_does_not_matter(table, tmp_path):
    shuffled = write(Home.open(tmp_path), np.random.default_rng(1).permutation(N_ROWS))
    assert agreement_table(sample_pairs(*shuffled)).equals(table)


def test_many_rows_are_sampled(tables, monkeypatch):
    monkeypatch.setattr("xmas_assets.stages.agreement._MOST_ROWS", 20)
    assert len(sample_pairs(*tables).tasks) == 20


def test_too_few_rows_are_refused(tables, monkeypatch):
    monkeypatch.setattr("xmas_assets.stages.agreement._FEWEST_ROWS", 58)
    with pytest.raises(DatasetError, match="only 57 of 60 rows have attention to an image and a gradient"):
        sample_pairs(*tables)


def test_the_verdict_says_what_the_intervals_say(table):
    maps, scalar = (
        next(line for line in agreement_verdict(table) if line.startswith(name)) for name in ("attention", "scalar")
    )
    assert "goes strongly with which 1 % of the pairs are nearest in direction (AUC 0.9" in maps
    assert "not shown to go with which 1 %" in scalar


def test_a_relation_turned_round_and_one_that_cannot_be_told_are_called_so():
    row = {"pairs": "all", "gradient": "direction", "attention": "all_values", "spearman": -0.5}
    row |= {"spearman_low": -0.6, "spearman_high": -0.4, "auc": None, "auc_low": None, "auc_high": None}
    (sentence,) = agreement_verdict(pl.DataFrame([row]))
    assert "all values: goes the other way round with the direction" in sentence
    assert "too few pairs to know whether it goes with which 1 %" in sentence
    assert "(AUC unknown)" in sentence


def test_a_person_sees_verdict_table_and_picture(tables, table):
    pairs = sample_pairs(*tables)
    shown = describe_agreement(table, pairs.attention, pairs.gradient["direction"], n_without=pairs.n_without)
    assert str(shown["agreement"]).count("\n") == 1 + len(table)
    assert (shown["rows compared"], shown["rows without attention to an image or a gradient"]) == (57, 3)
    assert str(shown["gradients of the pairs nearest in attention"]).startswith("![](data:image/png;base64,")
    assert "0.9" in agreement_cells(table).filter(attention="attention maps")["auc"][0]


def test_the_picture_is_the_same_every_time(tables):
    pairs = sample_pairs(*tables)
    first, again = (agreement_figure(pairs.attention, pairs.gradient["direction"]) for _ in range(2))
    assert first == again


def test_a_dataset_is_measured_in_the_spaces_whose_signals_are_stored(tmp_path):
    """Text: ten places, six rows each. Images: every row its own, and five have none."""
    rng = np.random.default_rng(0)
    home = Home.open(tmp_path)
    image = rng.normal(size=(N_ROWS, 16))
    image[:5] = np.nan
    text = np.repeat(rng.normal(size=(10, 16)), 6, axis=0)
    frame = pl.DataFrame({"image": lists(image), "text": lists(text), "score": [0.5] * N_ROWS})
    write_tables(home.table_directory("clip_embeddings", "ds"), {"clip_embeddings": frame})
    found = measure_dataset(home, "ds")
    assert {space: (one.n_rows, one.duplicate_mass) for space, one in found.items()} == {
        "image": (55, 0),
        "text": (60, 1),
        "image_and_text": (55, 0),
    }
    assert found["text"].group_size == 6
    write(home, np.arange(N_ROWS))
    found = measure_dataset(home, "ds")
    assert (found["attention_maps"].n_rows, found["attention_maps"].group_size) == (59, pytest.approx(59 / 12))
    assert found["trajectories"].n_rows == 59  # not the one without image
    assert redundancy_cells(found).columns[:3] == ["space", "rows", "repeats"]
