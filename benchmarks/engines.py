"""What engines cost and gain: seconds on the clock of one signal, read by each engine in few shards and in many.

Run: python -m benchmarks.engines [--rows 1500] [--ray]. The toy model and dataset, two checkpoints, one thread a
worker. Equal rows in more shards: the difference is what a shard costs by itself. All must have the same values.
"""

import argparse
import tempfile
import time
from pathlib import Path

from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.selection_runs import bring_up_to_date
from xmas_assets.toy.dataset import SyntheticSettings, generate

SIGNAL, SHARDS = "attention_trajectories", (6, 24)
QUICK = {"n_steps": 4, "n_checkpoints": 2, "threads": 1}
ENGINES = {
    "serial": {"engine": "serial"},
    "serial, both checkpoints in memory": {"engine": "serial", "models_in_memory": 2},
    "1 process": {"engine": "processes", "n_workers": 1},
    "2 processes": {"engine": "processes", "n_workers": 2},
}
RAY = {f"{n} actor{'s' * (n > 1)}": {"engine": "ray", "n_workers": n} for n in (1, 2)}


def main() -> None:
    """Print a row for each engine: seconds in few and in many shards, and what a shard costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1500, help="of the dataset")
    parser.add_argument("--ray", action="store_true", help="also actors of Ray (extra 'ray')")
    options = parser.parse_args()
    few, many = SHARDS
    print(f"| {options.rows:,} rows | {few} shards, s | {many} shards, s | a shard more, s | serial / this, {many} |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        home = Home.open(Path(folder) / "home")
        files = Path(folder) / "toy"
        generate(SyntheticSettings(n_train=options.rows, n_test=40), files)
        read_by(home, files, "warm_up", ENGINES["serial"], n_rows=options.rows, n_shards=few)
        results, serial = set(), None
        for name, workers in (ENGINES | (RAY if options.ray else {})).items():
            seconds = []
            for n_shards in SHARDS:
                dataset = f"{name.replace(' ', '_').replace(',', '')}_{n_shards}"
                took, version = read_by(home, files, dataset, workers, n_rows=options.rows, n_shards=n_shards)
                seconds.append(took)
                results.add(version)
            serial = serial or seconds[1]
            each = (seconds[1] - seconds[0]) / (many - few)
            print(
                f"| {name} | {seconds[0]:.1f} | {seconds[1]:.1f} | {each:.2f} | {serial / seconds[1]:.2f} |", flush=True
            )
    print(f"\nSame values: {'yes' if len(results) == 1 else 'NO'}")


def read_by(
    home: Home, files: Path, dataset: str, workers: dict[str, object], *, n_rows: int, n_shards: int
) -> tuple[float, str]:
    """Seconds that a new dataset's signal takes, what it is read of being there; and a hash of its values."""
    overrides = {
        "proxy": QUICK,
        "trajectories": {"shard_size": -(-n_rows // n_shards), "threads": 1},
        "workers": workers,
    }
    options = {"test": [files / "test.json"], "images": files, "generated": "toy", "overrides": overrides}
    home.register(Registration.create(dataset, [files / "train.json"], **options))
    platform = Platform.open(home)
    bring_up_to_date(platform, dataset, "proxy_checkpoints", say=lambda _: None)
    started = time.monotonic()
    bring_up_to_date(platform, dataset, SIGNAL, say=lambda _: None)
    took = time.monotonic() - started
    values = home.stored(SIGNAL, dataset)[SIGNAL].frame()
    return took, str(values.drop("dataset", strict=False).sort("row", maintain_order=True).hash_rows().sum())


if __name__ == "__main__":
    main()
