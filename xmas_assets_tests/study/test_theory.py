"""Two models' attention to the same rows, and the bases of other sizes."""

import json

import numpy as np
import polars as pl
import pytest

from study import bases, theory
from xmas_assets.resources.home import Home
from xmas_assets.resources.io_managers import table_directory
from xmas_assets.resources.stored import note_shapes
from xmas_assets.store.tables import write_tables

N_ROWS, N_CHECKPOINTS, N_VALUES, SIDE = 40, 2, 3, 4


def put(home: Home, dataset: str, values: np.ndarray, *, n_layers: int) -> None:
    """The tables that are compared; maps, gradients and clusters are the same for every dataset."""
    rng = np.random.default_rng(1)
    model = home.path(f"base_of_{dataset}")
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text(json.dumps({"text_config": {"num_hidden_layers": n_layers}}))
    maps, gradients = rng.random((N_ROWS, N_CHECKPOINTS * SIDE)), rng.normal(size=(N_ROWS, 6))
    ids = [f"id{row:02}" for row in range(N_ROWS)]
    flat = values.reshape(N_ROWS, -1).astype(np.float32)
    tables = {
        "raw_dataset": ("samples", {"sample_id": ids, "task": [f"t{row % 2}" for row in range(N_ROWS)]}, {}),
        "attention_trajectories": (
            "trajectories",
            {"values": pl.Series(flat, dtype=pl.Array(pl.Float32, flat.shape[1])), "has_image": [True] * N_ROWS},
            note_shapes({"values": (N_CHECKPOINTS, N_VALUES)}),
        ),
        "attention_maps": (
            "attention_maps",
            {"values": pl.Series(maps, dtype=pl.Array(pl.Float64, maps.shape[1]))},
            note_shapes({"values": (N_CHECKPOINTS, SIDE)}),
        ),
        "gradients": (
            "gradients",
            {"projected": pl.Series(gradients, dtype=pl.Array(pl.Float64, 6)), "norm": np.ones(N_ROWS, np.float32)},
            {},
        ),
        "clusters": ("clusters", {"label": np.arange(N_ROWS) // 10}, {}),
        "base_model": ("model", {"directory": [str(model)]}, {}),
    }
    for asset, (name, columns, notes) in tables.items():
        write_tables(table_directory(home, asset, dataset), {name: pl.DataFrame(columns)}, metadata=notes)


@pytest.fixture
def home(tmp_path):
    home = Home(root=str(tmp_path))
    values = np.random.default_rng(0).random((N_ROWS, N_CHECKPOINTS, N_VALUES))
    put(home, "target", values, n_layers=2)
    # Twice the layers and, at the last checkpoint, twice the values and .6 more in one of them: .15 apart per layer.
    other = 2 * values
    other[:, -1, 0] += 0.6
    put(home, "other", other, n_layers=4)
    return home


def test_a_model_is_at_no_distance_from_itself(home):
    found = theory._distance(home, "target", "target")
    assert (found["l2"], found["near"], found["ari"]) == (0.0, 1.0, 1.0)
    assert found["spearman_all_values"] == pytest.approx(1.0)
    assert found["l2_rows"] > 0


def test_distance_is_taken_per_layer_at_the_last_checkpoint(home):
    found = theory._distance(home, "target", "other")
    assert found["l2"] == pytest.approx(0.15, rel=1e-5)
    assert found["near"] == 1.0
    assert found["spearman_attention_maps"] == pytest.approx(1.0)


def test_attention_is_followed_checkpoint_by_checkpoint(home):
    found = theory._over_training(home, "target")
    assert sorted(found["checkpoint"].unique()) == [1, 2]
    assert found["gradient"].unique().to_list() == ["direction"]


def test_a_base_that_is_there_is_not_built_again_and_other_names_are_left_alone(tmp_path):
    (tmp_path / "bases" / "small").mkdir(parents=True)
    assert bases.base_directory("study:small", tmp_path) == str(tmp_path / "bases" / "small")
    assert bases.base_directory("embedded:tiny", tmp_path) == "embedded:tiny"
