"""Two models' attention to the same rows, and the bases beside the shipped one."""

import json

import numpy as np
import polars as pl
import pytest

from study import bases, theory
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import note_shapes
from xmas_assets.store.tables import write_tables

N_ROWS, N_CHECKPOINTS, N_VALUES, SIDE = 60, 2, 3, 4
GROUP = np.arange(N_ROWS) // 5  # rows of a group have alike gradients in the target


def lists(values: np.ndarray) -> pl.Series:
    flat = values.reshape(N_ROWS, -1).astype(np.float32)
    return pl.Series(flat, dtype=pl.Array(pl.Float32, flat.shape[1]))


def alike_in_groups(rng: np.random.Generator, n_features: int) -> np.ndarray:
    return rng.normal(size=(12, n_features))[GROUP] + 0.01 * rng.normal(size=(N_ROWS, n_features))


def put(
    home: Home,
    dataset: str,
    *,
    values: np.ndarray,
    maps: np.ndarray,
    gradients: np.ndarray,
    labels: np.ndarray,
    n_layers: int,
    ids: list[str] | None = None,
) -> None:
    model = home.path(f"base_of_{dataset}")
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text(json.dumps({"text_config": {"num_hidden_layers": n_layers}}))
    norms = np.linalg.norm(gradients, axis=1).astype(np.float32)
    samples = {"sample_id": ids or [f"id{row:02}" for row in range(N_ROWS)], "task": ["t0", "t1"] * (N_ROWS // 2)}
    spectra, looks = {"values": (N_CHECKPOINTS, N_VALUES)}, {"values": (N_CHECKPOINTS, SIDE)}
    tables = {
        "raw_dataset": ("samples", samples, {}),
        "attention_trajectories": ("attention_trajectories", {"values": lists(values)}, spectra),
        "attention_maps": ("attention_maps", {"values": lists(maps)}, looks),
        "gradients": ("gradients", {"projected": lists(gradients), "norm": norms}, {}),
        "clusters": ("clusters", {"label": labels}, {}),
        "base_model": ("model", {"directory": [str(model)]}, {}),
    }
    for asset, (name, columns, shapes) in tables.items():
        notes = note_shapes(shapes)
        write_tables(home.table_directory(asset, dataset), {name: pl.DataFrame(columns)}, metadata=notes)


@pytest.fixture
def made():
    """The target: gradients in groups, maps at random, but for the first checkpoint's, which lie as its gradients."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(N_ROWS, N_CHECKPOINTS, SIDE))
    maps[:, 0] = alike_in_groups(rng, SIDE)
    return {
        "values": rng.random((N_ROWS, N_CHECKPOINTS, N_VALUES)),
        "maps": maps,
        "gradients": alike_in_groups(rng, 6),
        "labels": np.arange(N_ROWS) // 10,
        "n_layers": 2,
    }


@pytest.fixture
def home(tmp_path, made):
    home = Home.open(tmp_path)
    put(home, "target", **made)
    return home


def test_a_model_is_at_no_distance_from_itself(home):
    found = theory._distance(home, "target", "target")
    assert (found["l2"], found["near"], found["ari"]) == (0.0, 1.0, 1.0)
    assert found["spearman_all_values"] == pytest.approx(1.0)
    assert found["l2_rows"] > 0
    assert 0 < found["near_rows"] < 1


def test_distance_is_taken_per_layer_at_the_last_checkpoint(home, made):
    """Twice the layers and twice the values, and at the last checkpoint .6 more in one: .15 apart per layer."""
    values = 2 * made["values"]
    values[:, -1, 0] += 0.6
    put(home, "other", **made | {"values": values, "n_layers": 4})
    found = theory._distance(home, "target", "other")
    assert found["l2"] == pytest.approx(0.15, rel=1e-5)
    assert found["near"] == 1.0


def test_the_others_attention_is_held_against_the_targets_gradients(home, made):
    """The other's maps lie as the target's gradients; its own gradients and the target's maps lie elsewhere."""
    rng = np.random.default_rng(1)
    maps = np.repeat(made["gradients"][:, None, :SIDE], N_CHECKPOINTS, axis=1)
    labels = rng.permutation(made["labels"])
    put(home, "other", **made | {"maps": maps, "gradients": rng.normal(size=(N_ROWS, 6)), "labels": labels})
    found = theory._distance(home, "target", "other")
    assert found["auc_attention_maps"] > 0.95
    assert theory._distance(home, "other", "target")["auc_attention_maps"] < 0.8
    assert found["spearman_attention_maps"] < 0.5
    assert found["ari"] < 0.2


def test_models_that_saw_other_rows_are_not_compared(home, made):
    put(home, "other", **made, ids=[f"new{row:02}" for row in range(N_ROWS)])
    with pytest.raises(ValueError, match="target and other do not have attention and gradients of the same rows"):
        theory._distance(home, "target", "other")


def test_each_checkpoint_counts_alone(home):
    found = theory._over_training(home, "target").filter(pairs="same_task", attention="attention_maps")
    first, last = found.sort("checkpoint")["auc"]
    assert first > 0.95
    assert last < 0.7


def test_a_base_is_built_once_and_another_name_is_left_alone(tmp_path, monkeypatch):
    home = Home.open(tmp_path)
    built = []

    def build(output, **settings):
        built.append(settings)
        (output / "config.json").write_text("{}")
        return 0.9

    monkeypatch.setattr("xmas_assets.toy.train.build_base", build)
    for _ in range(2):
        assert bases.base_directory("study:small", home) == str(tmp_path / "bases" / "small")
    assert built == [bases.BASES["study:small"]]
    assert [path.name for path in (tmp_path / "bases").iterdir()] == ["small"]
    assert bases.base_directory("toy:tiny", home) == "toy:tiny"
