"""What ``xmas advise`` measures of each dataset, before anything is trained: what its rule is fitted to."""

from dataclasses import asdict

import polars as pl

from study.design import PLAN, Experiment
from study.running import RESULTS, register
from xmas_assets.core.redundancy import Redundancy
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.selection_runs import bring_up_to_date
from xmas_assets.stages.redundancy import measure_dataset

_FOLDER = "measures"


def measure(home: Home) -> None:
    """Measure every dataset of the plan that was not measured yet."""
    platform = Platform.open(home)
    for dataset in dict.fromkeys(experiment.dataset for experiment in PLAN):
        path = RESULTS / _FOLDER / f"{dataset}.parquet"
        if not path.exists():
            alone = Experiment("measures", dataset, (), (), 1)
            name = alone.registration(0)
            register(alone, 0, home)
            bring_up_to_date(platform, name, "clip_embeddings", say=print)
            found = measure_dataset(home, name)
            rows = [{"dataset": dataset, "space": space} | asdict(values) for space, values in found.items()]
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as unfinished:
                pl.DataFrame(rows).write_parquet(unfinished)


def read_measures() -> dict[str, dict[str, Redundancy]]:
    """By dataset and space."""
    found = {}
    for path in sorted((RESULTS / _FOLDER).glob("*.parquet")):
        rows = pl.read_parquet(path).drop("dataset").rows(named=True)
        found[path.stem] = {row.pop("space"): Redundancy(**row) for row in rows}
    return found
