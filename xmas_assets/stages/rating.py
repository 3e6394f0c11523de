"""People's ratings of targets' answers: a sheet to fill in, and what comes back on it."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.outputs import claim, write_claimed
from xmas_assets.evaluation.benchmarks.base import JudgedBenchmark
from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS, benchmark_named
from xmas_assets.evaluation.ratings import RatedAnswer, rated_answers, read_ratings, sheet
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.stages.benchmarks import benchmark_items, items_of
from xmas_assets.stages.comparison import ANSWERS


class TakenOver(NamedTuple):
    """Ratings that were on a sheet, those that the rater gave by now, and answers that there are."""

    n_new: int
    n_rated: int
    n_answers: int


def write_sheet(home: Home, name: str, dataset: str, *, to: Path, rater: str | None, seed: int) -> int:
    """Write every distinct answer of a dataset's targets as a row to be rated; returns how many there are.

    Args:
        home: The platform's folder.
        name: A registered benchmark that people rate.
        dataset: Name of a registered dataset.
        to: CSV file. A sheet that is there is replaced only if nobody filled anything in.
        rater: Who rated some of them already; these are left out.
        seed: Of the order.

    Raises:
        SettingsError: If people do not rate this benchmark.
        StoreError: If no target was asked, or the rater has rated all.
        OutputError: If the file may not be written.
    """
    _rated_benchmark(home, name)
    done = {} if rater is None else _ratings(home.benchmarks.ratings_path(name, rater))
    answers = [answer for answer in _answers(home, name, dataset) if answer.answer_id not in done]
    if not answers:
        raise StoreError(f"{rater} has rated every answer to {name} already; give another rater, or leave --rater out")
    content = sheet(answers, seed=seed)
    claimed = claim(to, inputs=Inputs.of_home(home.root), why_not_ours=lambda: _why_not_ours(to, content))
    write_claimed(claimed, content)
    return len(answers)


def take_over_ratings(home: Home, name: str, dataset: str, path: Path, *, rater: str) -> TakenOver:
    """Keep what a rater gave on a sheet, together with what the same person gave before.

    Args:
        home: The platform's folder.
        name: A registered benchmark that people rate.
        dataset: Whose targets' answers are on the sheet.
        path: The sheet.
        rater: Who rated.

    Raises:
        SettingsError: If people do not rate this benchmark, or nobody can have this name.
        DatasetError: If the sheet has an unknown, doubled, missing or impossible rating.
        StoreError: If no target was asked.
    """
    benchmark = _rated_benchmark(home, name)
    target = home.benchmarks.ratings_path(name, rater)
    answers = _answers(home, name, dataset)
    new = read_ratings(path, known=answers, benchmark=benchmark)
    ratings = _ratings(target) | new
    table = pl.DataFrame(sorted(ratings.items()), schema=["answer_id", "rating"], orient="row")
    with replacing(target) as unfinished:
        table.write_parquet(unfinished)
    return TakenOver(len(new), sum(answer.answer_id in ratings for answer in answers), len(answers))


def _rated_benchmark(home: Home, name: str) -> JudgedBenchmark:
    registration = home.benchmarks.registration(name)
    benchmark = benchmark_named(registration.form)
    if not isinstance(benchmark, JudgedBenchmark) or not benchmark.rated:
        rated = ", ".join(form for form, each in BENCHMARKS.items() if isinstance(each, JudgedBenchmark) and each.rated)
        raise SettingsError(f"people do not rate {name}; they rate {rated}")
    if registration.judge is not None:
        raise SettingsError(
            f"{name} is scored by {registration.judge.name}; first run: xmas benchmark judge {name} --nobody"
        )
    return benchmark


def _answers(home: Home, name: str, dataset: str) -> list[RatedAnswer]:
    home.registration(dataset)
    frames = [
        home.stored("benchmark_scores", partition)[ANSWERS].frame().filter(benchmark=name).drop_nulls("answer")
        for partition in home.stored_partitions("benchmark_scores", dataset)
        if home.is_stored("benchmark_scores", partition, ANSWERS)
    ]
    answers = [dict(frame.select("item_id", "answer").iter_rows()) for frame in frames]
    found = rated_answers(items_of(benchmark_items(home, name)), answers)
    if not found:
        made = how_to_make("benchmark_scores", dataset=dataset)
        raise StoreError(f"no target of {dataset} was asked {name}; {made} --benchmark {name}")
    return found


def _ratings(path: Path) -> dict[str, str]:
    """Ratings by answer id; none where there is no file."""
    return dict(pl.read_parquet(path).select("answer_id", "rating").iter_rows()) if path.exists() else {}


def _why_not_ours(path: Path, content: bytes) -> str | None:
    return None if path.read_bytes() == content else "is not this sheet as it was written"
