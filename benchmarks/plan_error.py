"""How far plans are off: stages measured on a few rows, planned for all, then run, and both compared.

``python -m benchmarks.plan_error`` prints a table for the demo, with ``--dataset easy_vqa`` for 6,000 rows of that.
"""

import argparse
import tempfile
from pathlib import Path

from study.datasets import MAKERS
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.contracts.usage import Usage
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.orchestration.calibrating import calibrate
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets.stages.planning import PlannedStage, Planner
from xmas_assets.stages.prepared import PREPARED, partition_of
from xmas_assets.stages.rates import OF_SELECTIONS, Rates
from xmas_assets.toy.dataset import SyntheticSettings, generate

_METHODS = ("xmas", "full")
_KEYS = [SelectionKey.parse(text) for text in ("xmas_b0.20_s0", "full_b1.00_s0")]


def compare(home: Home, dataset: str, *, n_rows: int) -> None:
    """Print a row for each stage: CPU seconds as planned and as they were, and the difference."""
    platform = Platform.open(home)
    calibration, _ = calibrate(platform, dataset, _METHODS, n_rows=n_rows, say=print)
    planned = Planner.of(Rates(home, dataset, calibration, wins=True), None).stages(_KEYS)
    run_selections(platform, dataset, _KEYS, say=print)
    print(f"\n### {dataset}: {n_rows} rows measured\n")
    print("| stage | times | planned, CPU s | was, CPU s | off | planned, clock s | was, clock s |")
    print("|---|---|---|---|---|---|---|")
    whole = [0.0] * 4
    for stage in planned:
        was = _was(home, dataset, stage)
        clock = stage.all.clock_hours[0] * 3600 if stage.all.clock_hours else 0.0
        seconds = ((stage.all.cpu_hours or 0.0) * 3600, was.cpu_seconds, clock, was.wall_seconds or 0.0)
        whole = [total + part for total, part in zip(whole, seconds, strict=True)]
        _print(", ".join(stage.names), str(stage.times), seconds)
    _print("in all", "", whole)


def _print(name: str, times: str, seconds: tuple[float, ...] | list[float]) -> None:
    planned, was, planned_clock, clock = seconds
    off = f"{100 * (planned / was - 1):+.0f} %" if was else "-"
    print(f"| {name} | {times} | {planned:.3g} | {was:.3g} | {off} | {planned_clock:.3g} | {clock:.3g} |", flush=True)


def _was(home: Home, dataset: str, stage: PlannedStage) -> Usage:
    """What stages took in the run."""
    asset, _, method = stage.names[0].partition(":")
    if asset == PREPARED:
        partitions = [partition_of(dataset, method)]
    elif asset in OF_SELECTIONS:
        partitions = [f"{dataset}|{key}" for key in _KEYS if method in ("", key.method)]
    else:
        partitions = [dataset]
    assets = stage.names if stage.names[0] in READ_IN_ONE_PASS else (asset,)
    usages = [home.costs.of(partition, *assets) for partition in partitions]
    return sum((usage for usage in usages if usage is not None), start=Usage())


def main() -> None:
    """Compare on the demo, or on easy-VQA."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400, help="rows of the larger part that is measured")
    parser.add_argument("--dataset", choices=("demo", "easy_vqa"), default="demo", help="what is planned and run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home.open(Path(folder) / "home")
        files = home.path("data")
        if options.dataset == "demo":
            generate(SyntheticSettings(), files)
            images, made = files, "toy"
        else:
            images, made = MAKERS["easy_vqa"](files), ""
        sources = {"annotations": [files / "train.json"], "test": [files / "test.json"], "images": images}
        home.register(Registration.create(options.dataset, **sources, generated=made))
        compare(home, options.dataset, n_rows=options.rows)


if __name__ == "__main__":
    main()
