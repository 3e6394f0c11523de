"""Asset ``clusters`` of a dataset that grew, from trajectories that are given."""

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, note_shapes, note_steps, stage
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets.stages.growth import keep_rows
from xmas_assets_tests.data.making import image_root, seen, write
from xmas_assets_tests.e2e.platforms import open_platform

FIRST = [(0, 0), (10, 10), (0, 1), (10, 11), (0, 2), (10, 12)]
LATER = [(1, 1), (12, 11), (10, 11), (10, 13)]
"""Sums at two checkpoints: the first rows are two clusters, around (0, 1) and (10, 11)."""


def store(home: Home, folder: Path, sums: list[tuple[int, int]]) -> None:
    """Read as many records, each with the image, and put trajectories beside them."""
    write(folder, [seen(id=f"r{row}") for row in range(len(sums))])
    raw = stage_dataset(home.path("work", "raw"), home, "small", progress=lambda progress: None)
    ids = raw["samples"].column("sample_id")
    home.put("raw_dataset", "small", raw)
    values = pl.Series("values", np.array(sums, dtype=np.float32), dtype=pl.Array(pl.Float32, 2))
    frame = pl.DataFrame({"row": range(len(sums)), "sample_id": ids, "values": values})
    notes = note_steps([1, 2]) | note_shapes({"values": (2, 1)})
    asset = "attention_trajectories"
    home.put(asset, "small", stage(home.path("work", "read"), {asset: frame}, metadata=notes))


def cluster(home: Home) -> tuple[StoredTables, dict[str, object]]:
    """Materialize the asset; its tables, and what its page says of drift."""
    platform = open_platform(home.root)
    platform.observe("small")
    platform.materialize(["clusters"], "small")
    event = platform.instance.fetch_materializations(dg.AssetKey("clusters"), limit=1).records[0].asset_materialization
    assert event is not None
    said: dict[str, object] = {name: value.value for name, value in event.metadata.items() if "later" in name}
    return home.stored("clusters", "small"), said


def test_assigned_clusters_of_earlier_rows_stay_and_the_drift_of_later_ones_is_said(tmp_path: Path):
    """Squared distances to the centroid are 1, 1, 0, 0, 1, 1 of the first rows, mean 2/3, and 1, 4, 0, 4 of the later.

    Half of the first rows are in each cluster, and 1/4 and 3/4 of the later ones.
    """
    home = Home.open(tmp_path / "home")
    overrides = {"clusters": {"n_clusters": 2, "when_grown": "assign"}}
    annotations = [write(tmp_path, [])]
    Registration.create("small", annotations, images=image_root(tmp_path), overrides=overrides).save(home.root)
    store(home, tmp_path, FIRST)
    first, said = cluster(home)
    labels = first["clusters"].column("label")
    low, high = labels[:2]
    assert (labels.tolist(), said) == ([low, high] * 3, {})
    keep_rows(home, "small")
    store(home, tmp_path, FIRST + LATER)
    grown, said = cluster(home)
    assert grown["clusters"].column("label").tolist() == [*[low, high] * 3, low, high, high, high]
    centroids = grown["centroids"].frame()
    assert centroids.select("label", "centroid").equals(first["centroids"].frame(["label", "centroid"]))
    assert dict(centroids.select("label", "n_rows").iter_rows()) == {low: 4, high: 6}
    assert said == {
        "rows that came later": 4,
        "drift: squared distance to the centroid, later over first": pytest.approx(27 / 8),
        "drift: share of later rows that would change cluster to be spread as the first": pytest.approx(0.25),
    }
