"""What commands cost before any work is done: CPU seconds of whole processes, for this state of the code or others.

    python -m benchmarks.control_plane --selections 20 100 --datasets 200 [--other PYTHON CHECKOUT]

Costs that grow with the number of selections are measured at two numbers, and the difference of each more selection is
given; one near 0 is less than the noise. Every state of the code gets a home of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from xmas_assets.home.home import Home

_TICK = """
import time
import dagster as dg
from xmas_assets.assets.sensors import dataset_files
from xmas_assets.definitions import defs
instance, cursor = dg.DagsterInstance.get(), None
for look in range(2):
    started = time.process_time()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": defs.resources["home"]})
    result = dataset_files.evaluate_tick(context)
    cursor = result.cursor
    seconds = time.process_time() - started
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
print(seconds)
"""
"""The second tick, which finds nothing new."""


class State:
    """One state of the code, with a home of its own."""

    def __init__(self, python: str, checkout: Path, home: Home) -> None:
        self._python = python
        self.home = home
        self._environment = os.environ | {
            "PYTHONPATH": str(checkout),
            "XMAS_HOME": str(home.root),
            "DAGSTER_HOME": str(home.path("dagster")),
            "OMP_NUM_THREADS": "1",
            "TQDM_DISABLE": "1",
        }

    def python(self, *words: str) -> tuple[float, int, str]:
        """CPU seconds of one process and its children, its exit code, and what it printed."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [self._python, *words], cwd=self.home.root, env=self._environment, capture_output=True, text=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.returncode, done.stdout

    def xmas(self, *words: str, code: int = 0) -> float:
        """CPU seconds of one ``xmas`` command."""
        seconds, ended, _ = self.python("-m", "xmas_assets", *words)
        assert ended == code, f"xmas {' '.join(words)} ended with {ended}"
        return seconds

    def best(self, *words: str, code: int = 0) -> float:
        """The least of three."""
        return min(self.xmas(*words, code=code) for _ in range(3))


def write_dataset(folder: Path) -> None:
    """Sixty records with four pictures, and a few to test on."""
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (32, 32), (60 * number, 10, 200 - 40 * number)).save(folder / f"{number}.png")
    for split, n_rows in (("train", 60), ("test", 10)):
        rows = [
            {
                "id": f"{split}{number}",
                "image": f"{number % 4}.png",
                "conversations": [
                    {"from": "human", "value": f"<image>\nWhat is {split} {number}?"},
                    {"from": "gpt", "value": f"a{number % 7}"},
                ],
            }
            for number in range(n_rows)
        ]
        (folder / f"{split}.json").write_text(json.dumps(rows))


def measure(state: State, data: Path, *, selections: list[int], n_datasets: int) -> dict[str, float]:
    """CPU seconds by row of the table."""
    add = ("--annotations", str(data / "train.json"), "--test", str(data / "test.json"), "--images", str(data))
    state.xmas("dataset", "add", "d", *add)
    seconds = {
        "--help": state.best("--help"),
        "a typo": state.best("satus", code=2),
        "an unknown command": state.best("zzzz", code=2),
        "methods": state.best("methods"),
        "dataset list": state.best("dataset", "list"),
        "loading the definitions": min(state.python("-c", "import xmas_assets.definitions")[0] for _ in range(3)),
    }
    few, many = selections
    random = ("select", "d", "--method", "random", "--budget", "0.5", "--seeds")
    first = state.xmas(*random, str(few))
    looks = {few: (state.best("status", "d"), state.best(*random, str(few)))}
    second = state.xmas(*random, str(many))
    looks[many] = (state.best("status", "d"), state.best(*random, str(many)))
    seconds["select, each new random selection"] = (second - looks[few][1]) / (many - few)
    seconds[f"select of the first {few}"] = first
    for place, name in enumerate(("status", "select when all is fresh")):
        seconds[f"{name}, {many} selections"] = looks[many][place]
        seconds[f"{name}, each more selection"] = (looks[many][place] - looks[few][place]) / (many - few)
    for number in range(1, n_datasets):
        state.home.register(state.home.registration("d").model_copy(update={"name": f"d{number}"}))
    seconds[f"sensor tick, {n_datasets} unchanged datasets"] = float(state.python("-c", _TICK)[2] or "nan")
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--selections", nargs=2, type=int, default=[20, 100], metavar="N")
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--other", nargs=2, metavar=("PYTHON", "CHECKOUT"), help="another state, measured first")
    chosen = parser.parse_args()
    states = {"now": (sys.executable, str(Path(__file__).parents[1]))}
    if chosen.other:
        states = {"before": tuple(chosen.other)} | states
    columns: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (python, checkout) in states.items():
            write_dataset(data := Path(folder) / f"data_{name}")
            state = State(python, Path(checkout), Home.open(Path(folder) / name))
            columns[name] = measure(state, data, selections=chosen.selections, n_datasets=chosen.datasets)
    print("| CPU s | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(f"{column[row]:.2f}" for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
