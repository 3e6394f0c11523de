"""Runs experiments through the platform's own assets, and keeps every answer's score as Parquet."""

import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from study.datasets import MAKERS
from study.design import Experiment
from xmas_assets.bench.baselines import blind_scores
from xmas_assets.data.registration import registration_path
from xmas_assets.dataset_commands import add_dataset
from xmas_assets.platforms import Platform, RunFailedError
from xmas_assets.resources.home import Home
from xmas_assets.resources.publishing import scored_answers
from xmas_assets.resources.signals import stored
from xmas_assets.runs import run_selections

RESULTS = Path(__file__).parents[1] / "docs" / "study" / "results"


def run(experiment: Experiment, home_root: Path, units: Iterable[int]) -> None:
    """Run these units of an experiment; those whose results are stored are left alone."""
    os.environ["XMAS_HOME"] = str(home_root)
    platform = Platform.open(Home(root=str(home_root)))
    for unit in units:
        if not result_path(experiment, unit).exists():
            _register(experiment, unit, home_root)
            try:
                run_selections(platform, experiment.registration(unit), experiment.keys(unit))
            except RunFailedError as error:
                print(f"{experiment.registration(unit)}: {error}", flush=True)  # the rest is kept all the same
            _collect(platform.home, experiment, unit)


def result_path(experiment: Experiment, unit: int) -> Path:
    """Where a unit's answers are kept."""
    return RESULTS / experiment.name / f"unit{unit}.parquet"


def read_results(experiment: Experiment) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """All units' answers, costs and blind baselines; empty of units that were not run yet."""
    folder = RESULTS / experiment.name
    answers = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("unit*.parquet"))])
    costs = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("costs*.parquet"))])
    return answers, costs, pl.read_parquet(folder / "baselines.parquet")


def _register(experiment: Experiment, unit: int, home_root: Path) -> None:
    name = experiment.registration(unit)
    if registration_path(home_root, name).exists():
        return
    folder = home_root / "data" / experiment.dataset
    images = MAKERS[experiment.dataset](folder)
    overrides = {section: dict(values) for section, values in experiment.overrides.items()}
    overrides["proxy"] = {"seed": unit} | overrides.get("proxy", {})
    add_dataset(
        name,
        annotations=[folder / "train.json"],
        embedded=False,
        test=[folder / "test.json"],
        images=images,
        profile="tiny",
        overrides=overrides,
    )


def _collect(home: Home, experiment: Experiment, unit: int) -> None:
    dataset = experiment.registration(unit)
    answers = scored_answers(home, dataset)
    board = stored(home, "leaderboard", dataset)["leaderboard"].scan().collect()
    path = result_path(experiment, unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = board.filter(pl.col("budget").is_not_null()).select(
        "method",
        "budget",
        pl.lit(unit).cast(pl.Int64).alias("seed"),
        pl.col("selection_cpu_seconds").alias("cpu_seconds_selection"),
        pl.col("training_cpu_seconds").alias("cpu_seconds_training"),
    )
    seconds.write_parquet(path.with_name(f"costs{unit}.parquet"))
    raw = stored(home, "raw_dataset", dataset)
    blind = blind_scores(home.samples(raw), home.questions(raw), answers.select("question_id").unique())
    frames = [frame.with_columns(baseline=pl.lit(name)) for name, frame in blind.items()]
    pl.concat(frames).write_parquet(path.with_name("baselines.parquet"))
    answers.write_parquet(path, compression="zstd", compression_level=19)
