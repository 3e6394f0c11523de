"""Training of the toy model: samples per CPU second with and without kept features, and of another state of the code.

    python -m benchmarks.training [--rows 1500] [--repeats 3] [--other PYTHON CHECKOUT]

As a proxy is trained (two epochs in batches of 16) and a target (five in batches of 8, on two fifths of the rows), on
one thread. Ways take turns, each in a process of its own, and the best of the repeats counts. All must have the same
losses. CPU seconds are those of the run's record, from the first step on.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xmas_assets.toy.dataset import SyntheticSettings, generate

_TRAIN = """
import hashlib, json, sys
from pathlib import Path
from PIL import Image
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings, TrainingSettings
from xmas_assets.training.trainer import fine_tune
try:
    from xmas_assets.training.run_directory import read_record
except ImportError:  # at ba06aa1
    from xmas_assets.training.runs import read_record

job = json.loads(sys.argv[1])
data = Path(job["data"])

def sample(record):
    roles = {"human": "user", "gpt": "assistant"}
    turns = tuple(Turn(roles[turn["from"]], turn["value"]) for turn in record["conversations"])
    return Sample(record["id"], turns, (record["image"],), (hashlib.sha256(record["image"].encode()).hexdigest(),))

records = json.loads((data / "train.json").read_text())[: job["n_rows"]]
options = {"feature_folder": Path(job["features"])} if job["features"] else {}
fine_tune(
    base=Path(job["base"]),
    base_settings=BaseModelSettings(max_tokens=512),
    samples=[sample(record) for record in records],
    open_image=lambda name, _hash: Image.open(data / name),
    settings=TrainingSettings(**job["settings"]),
    seed=0,
    output=Path(job["output"]),
    **options,
)
record = read_record(Path(job["output"]))
print(json.dumps({"rate": record.n_samples_seen / record.cpu_seconds, "losses": record.losses}))
"""
RUNS: dict[str, tuple[float, dict[str, Any]]] = {
    "proxy": (1.0, {"epochs": 2, "batch_size": 16, "micro_batch_size": 16, "n_checkpoints": 7}),
    "target": (0.4, {"epochs": 5, "batch_size": 8, "micro_batch_size": 8}),
}
"""Share of the rows and settings."""
HERE = Path(__file__).parents[1]


class Way:
    """A state of the code, and whether it finds features kept."""

    def __init__(self, python: str, checkout: Path, features: Path | None = None) -> None:
        self._python = python
        self._features = features
        self._environment = os.environ | {
            "PYTHONPATH": str(checkout),
            "OMP_NUM_THREADS": "1",
            "TQDM_DISABLE": "1",
        }

    def train(self, **job: Any) -> tuple[float, list[float]]:
        """Samples per CPU second of one run, and the loss of each step."""
        with tempfile.TemporaryDirectory() as output:
            job |= {"output": output, "features": self._features and str(self._features)}
            command = [self._python, "-c", _TRAIN, json.dumps(job)]
            done = subprocess.run(command, env=self._environment, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        return found["rate"], found["losses"]


def compare(ways: dict[str, Way], *, repeats: int, **job: Any) -> dict[str, float]:
    """The best rate of each way."""
    best = dict.fromkeys(ways, 0.0)
    expected: Iterable[float] | None = None
    for _ in range(repeats):
        for name, way in ways.items():
            rate, losses = way.train(**job)
            assert expected in (None, losses), f"{name} has other losses"
            expected, best[name] = losses, max(best[name], rate)
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--other", nargs=2, metavar=("PYTHON", "CHECKOUT"), help="another state, measured next to it")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        generate(SyntheticSettings(n_train=chosen.rows, n_test=0), data)
        ways = {"pixels": Way(sys.executable, HERE), "kept features": Way(sys.executable, HERE, Path(folder) / "kept")}
        if chosen.other:
            python, checkout = chosen.other
            ways = {"other": Way(python, Path(checkout))} | ways
        base = str(HERE / "xmas_assets" / "profiles" / "tiny_base")
        first = {"settings": RUNS["proxy"][1], "n_rows": chosen.rows}
        filling, _ = ways["kept features"].train(data=str(data), base=base, **first)
        print("| samples per CPU s | " + " | ".join(ways) + f" | last / first |\n|---|{'---|' * (len(ways) + 1)}")
        for name, (share, settings) in RUNS.items():
            n_rows = int(share * chosen.rows)
            rates = compare(ways, repeats=chosen.repeats, data=str(data), base=base, settings=settings, n_rows=n_rows)
            first_rate, *_, last_rate = rates.values()
            cells = [f"{rate:.0f}" for rate in rates.values()] + [f"{last_rate / first_rate:.2f}"]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(f"\nThe run that computed and kept the features: {filling:.0f}")


if __name__ == "__main__":
    main()
