"""A small real platform for the tests: the embedded generator, the shipped base, a real instance and store."""

from pathlib import Path

import dagster as dg

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.data.registration import Registration
from xmas_assets.data.synthetic import SyntheticSettings, generate
from xmas_assets.resources.home import Home
from xmas_assets.runs import Platform

QUICK = {
    "proxy": {"epochs": 1, "n_checkpoints": 3, "threads": 1},
    "target": {"epochs": 1, "threads": 1},
    "clusters": {"n_clusters": 8},
    "benchmark": {"max_questions": 60, "threads": 1},
}
DATASET_STAGES = ("raw_dataset", "base_model", "proxy_checkpoints", "attention_trajectories", "clusters")
SELECTION_STAGES = ("selected_subset", "target_model", "benchmark_scores")


def register(home: Path, name: str = "shapes", *, seed: int = 0, **fields) -> Registration:
    """Generate and register a small embedded dataset."""
    folder = home / "embedded" / name
    generate(SyntheticSettings(n_train=240, n_test=84, seed=seed), folder)
    registration = Registration.create(
        name,
        [folder / "train.json"],
        test=[folder / "test.json"],
        images=folder,
        overrides=fields.pop("overrides", QUICK),
        **fields,
    )
    registration.save(home)
    return registration


def open_platform(home: Path) -> Platform:
    """The platform on this home."""
    return Platform.open(Home(root=str(home)))


def n_materializations(platform: Platform, asset: str) -> int:
    """How often an asset was materialized, over all partitions."""
    return len(platform.instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records)


def keys(*texts: str) -> list[SelectionKey]:
    """Selection keys."""
    return [SelectionKey.parse(text) for text in texts]


def table_bytes(home: Path) -> dict[str, bytes]:
    """Every stored Parquet file by its path below the home."""
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted((home / "tables").rglob("*.parquet"))}
