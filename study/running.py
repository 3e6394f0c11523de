"""Runs experiments through the platform's own assets, and keeps every answer's score as Parquet."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from study.bases import base_directory
from study.datasets import make_dataset
from study.design import Experiment
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.data.registration import Registration
from xmas_assets.evaluation.baselines import blind_scores
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions, training_samples
from xmas_assets.orchestration.platform import Platform, RunFailedError
from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets.stages.publishing import stored_answers

RESULTS = Path(__file__).parents[1] / "docs" / "study" / "results"


# What draws something before a subset is chosen; each follows the unit, so that units are independent.
_SEEDED = ("proxy", "warmup", "difficulty", "clusters")


def run(experiment: Experiment, home: Home, units: Iterable[int]) -> None:
    """Run what is missing of these units of an experiment."""
    platform = Platform.open(home)
    for unit in units:
        missing = [key for key in experiment.keys(unit) if key not in _stored_keys(experiment, unit)]
        if missing:
            register(experiment, unit, home)
            try:
                run_selections(platform, experiment.registration(unit), missing)
            except RunFailedError as error:
                print(f"{experiment.registration(unit)}: {error}; run again", flush=True)
            if home.is_stored("leaderboard", experiment.registration(unit)):
                _collect(home, experiment, unit)


def result_path(experiment: Experiment, unit: int) -> Path:
    """Where a unit's answers are kept."""
    return RESULTS / experiment.name / f"unit{unit}.parquet"


def read_results(experiment: Experiment) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """All units' answers, costs and blind baselines; empty of units that were not run yet."""
    folder = RESULTS / experiment.name
    answers = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("unit*.parquet"))])
    costs = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("costs*.parquet"))])
    return answers, costs, pl.read_parquet(folder / "baselines.parquet")


def read_folder(name: str) -> pl.DataFrame:
    """All results below one folder of ``RESULTS`` as one table; no rows where there are none."""
    paths = sorted((RESULTS / name).glob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths]) if paths else pl.DataFrame()


def keep_larger(path: Path, found: pl.DataFrame) -> None:
    """Store what a home gives, unless more is stored already: a home may hold a part of the runs only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or pl.read_parquet(path).height <= found.height:
        with replacing(path) as unfinished:
            found.write_parquet(unfinished)


def _stored_keys(experiment: Experiment, unit: int) -> set[SelectionKey]:
    path = result_path(experiment, unit)
    if not path.exists():
        return set()
    rows = pl.read_parquet(path, columns=["method", "budget", "seed"]).unique().rows()
    return {SelectionKey.make(*row) for row in rows}


def register(experiment: Experiment, unit: int, home: Home) -> None:
    """Add the platform's dataset of one unit, if it is not there."""
    name = experiment.registration(unit)
    if name in home.datasets():
        return
    folder, images = make_dataset(home, experiment.dataset)
    overrides = {section: dict(values) for section, values in experiment.overrides.items()}
    for section in overrides.keys() & {"base_model", "target_base"}:
        overrides[section]["source"] = base_directory(overrides[section]["source"], home)
    for section in _SEEDED:
        overrides[section] = {"seed": unit} | overrides.get(section, {})
    registration = Registration.create(
        name,
        [folder / "train.json"],
        test=[folder / "test.json"],
        images=images,
        profile="toy",
        overrides=overrides,
    )
    home.register(registration)


def _collect(home: Home, experiment: Experiment, unit: int) -> None:
    dataset = experiment.registration(unit)
    answers = stored_answers(home, dataset)
    board = home.stored("leaderboard", dataset)["leaderboard"].scan().collect()
    path = result_path(experiment, unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = board.filter(pl.col("budget").is_not_null()).select(
        "method",
        "budget",
        pl.lit(unit).cast(pl.Int64).alias("seed"),
        pl.col("selection_cpu_seconds").alias("cpu_seconds_selection"),
        pl.col("training_cpu_seconds").alias("cpu_seconds_training"),
    )
    with replacing(path.with_name(f"costs{unit}.parquet")) as unfinished:
        seconds.write_parquet(unfinished)
    raw = home.stored("raw_dataset", dataset)
    blind = blind_scores(training_samples(raw), held_out_questions(raw), answers.select("question_id").unique())
    frames = [frame.with_columns(baseline=pl.lit(name)) for name, frame in blind.items()]
    with replacing(path.with_name("baselines.parquet")) as unfinished:
        pl.concat(frames).write_parquet(unfinished)
    with replacing(path) as unfinished:
        answers.write_parquet(unfinished, compression="zstd", compression_level=19)
