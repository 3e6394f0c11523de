"""``python -m study run [--part PART]... [--units N] [--home DIR]`` runs what is missing; ``measure`` in its place
measures the datasets, ``theory`` compares attention and gradients, ``features`` measures how well features find skills
and repeats, ``subsets`` describes what was chosen; ``report`` redraws all from what is stored."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import study.oracles  # noqa: F401  adds the oracle to the registry
from study.design import PLAN
from study.features import measure_features
from study.measures import measure
from study.report import write_report
from study.running import run
from study.subsets import describe_subsets
from study.theory import check_theory
from xmas_assets.home.home import Home

_OF_A_HOME: dict[str, Callable[[Home], None]] = {
    "measure": measure,
    "theory": check_theory,
    "features": measure_features,
    "subsets": describe_subsets,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["run", *_OF_A_HOME, "report"])
    parser.add_argument(
        "--part", action="append", help="screen, main, map, kinds, ablation, fresh or size; default all"
    )
    parser.add_argument("--dataset", action="append", help="only these datasets")
    parser.add_argument("--units", type=int, help="at most so many repetitions of each experiment")
    parser.add_argument("--home", type=Path, default=Path(".xmas-study"), help="XMAS_HOME of the runs")
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(write_report())
        return
    home = Home.open(arguments.home)
    os.environ["XMAS_HOME"] = str(home.root)
    if arguments.command in _OF_A_HOME:
        _OF_A_HOME[arguments.command](home)
        return
    for experiment in PLAN:
        wanted = not arguments.part or experiment.part in arguments.part
        if wanted and (not arguments.dataset or experiment.dataset in arguments.dataset):
            n_units = min(experiment.n_units, arguments.units or experiment.n_units)
            run(experiment, home, range(n_units))


if __name__ == "__main__":
    main()
