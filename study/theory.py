"""Do rows with alike attention have alike gradients? The platform's own check, on the datasets of some experiments."""

from pathlib import Path

import polars as pl

from study.design import PLAN
from study.running import RESULTS, register
from xmas_assets.platforms import Platform
from xmas_assets.resources.home import Home
from xmas_assets.resources.signals import stored
from xmas_assets.runs import bring_up_to_date
from xmas_assets.scale.shards import write_whole

_ASSET = "attention_gradient_agreement"
_FOLDER = "theory"
# Near-duplicates, none, real pictures, and the published code's attention; warm-up and proxy are each unit's own.
CHECKED = ("main_shapes_steps", "main_plain_steps", "main_digits_steps", "ablation_shapes_reference")


def check_theory(home_root: Path, n_units: int = 3) -> None:
    """Run the check for the first units of the experiments in ``CHECKED``, where it was not run yet."""
    platform = Platform.open(Home(root=str(home_root)))
    for experiment in (experiment for experiment in PLAN if experiment.name in CHECKED):
        for unit in range(n_units):
            path = RESULTS / _FOLDER / f"{experiment.name}_{unit}.parquet"
            if not path.exists():
                name = experiment.registration(unit)
                register(experiment, unit, home_root)
                bring_up_to_date(platform, name, _ASSET, say=print)
                found = stored(platform.home, _ASSET, name)["agreement"].scan().collect()
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, found.with_columns(experiment=pl.lit(experiment.name), unit=unit).write_parquet)


def read_theory() -> pl.DataFrame:
    """All units' agreements, each with its ``experiment`` and ``unit``; no rows where nothing was checked."""
    paths = sorted((RESULTS / _FOLDER).glob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths]) if paths else pl.DataFrame()
