"""What became of each benchmark of a dataset: how much of it was answered, and whether and by whom it was scored."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.core.raters import agreement
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.evaluation.benchmarks.base import JudgedBenchmark
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.stages.benchmarks import benchmark_items, items_of
from xmas_assets.stages.comparison import ANSWERS
from xmas_assets.stages.judging import PEOPLE, judge_of, replies_of, runs_of

STATES, JUDGED = "benchmark_states", "judged_scores"
NO_ANSWERS, NO_JUDGE, NO_RATINGS, NOT_JUDGED = "no published answers", "no judge", "no ratings", "not judged yet"
"""Why a benchmark is not scored."""
_STATES_SCHEMA = {
    "benchmark": pl.String,
    "n_questions": pl.Int64,
    "coverage": pl.Float64,
    "not_scored": pl.String,
    "judge": pl.String,
    "replied_as": pl.List(pl.String),
    "n_replies": pl.Int64,
    "n_unread": pl.Int64,
}
_JUDGED_SCHEMA = {
    "benchmark": pl.String,
    "method": pl.String,
    "budget": pl.String,
    "seed": pl.Int64,
    "n_runs": pl.Int64,
    "total": pl.Float64,
    "std": pl.Float64,
    "agreement": pl.Float64,
    "n_replies": pl.Int64,
    "n_unread": pl.Int64,
}


def benchmark_states(home: Home, dataset: str, scores: Mapping[str, StoredTables]) -> dict[str, pl.DataFrame]:
    """One row per benchmark that a target was asked, and one per target that was judged; no tables without rows.

    ``benchmark_states`` has ``coverage``, the share of the questions that a target answered (mean over targets), and
    ``not_scored``, why there is no score (null if there is one). Of judged ones it has ``judge``, ``replied_as`` (who
    the endpoint said had replied), and how many replies were wanted and could not be read. ``judged_scores`` has the
    headline's mean (``total``) and standard deviation (``std``) over runs of the judge or raters, and how far these
    agree (Krippendorff's alpha of the scores: 1 fully, 0 as if by chance; null of one run).

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        scores: The stored answers, by partition key.
    """
    states, judged = [], []
    for name in home.registration(dataset).benchmarks:
        registration = home.benchmarks.registration(name)
        asked = {
            partition: tables
            for partition, tables in sorted(scores.items())
            if ANSWERS in tables and len(tables[ANSWERS].frame(["benchmark"]).filter(benchmark=name))
        }
        if asked:
            replies = {partition: replies_of(tables, registration) for partition, tables in asked.items()}
            states.append(_state(home, registration, asked, replies=pl.concat(replies.values())))
            judged += _judged_rows(home, registration, replies)
    tables = {STATES: pl.DataFrame(states, _STATES_SCHEMA), JUDGED: pl.DataFrame(judged, _JUDGED_SCHEMA)}
    return {name: table for name, table in tables.items() if len(table)}


def _state(
    home: Home, registration: BenchmarkRegistration, asked: Mapping[str, StoredTables], *, replies: pl.DataFrame
) -> dict[str, Any]:
    """A row of ``benchmark_states``."""
    benchmark, tables = benchmark_named(registration.form), benchmark_items(home, registration.name)
    n_questions = tables["items"].n_rows + tables["refused"].n_rows
    answers = pl.concat(stored[ANSWERS].frame().filter(benchmark=registration.name) for stored in asked.values())
    row = {
        "benchmark": registration.name,
        "n_questions": n_questions,
        "coverage": answers["answer"].count() / (n_questions * len(asked)),
    }
    if not isinstance(benchmark, JudgedBenchmark):
        has_score = any(map(benchmark.is_scored, items_of(tables)))
        return row | {"not_scored": None if has_score else NO_ANSWERS}
    judge = judge_of(registration)
    unjudged = NO_JUDGE if judge is None else NO_RATINGS if judge == PEOPLE else NOT_JUDGED
    return row | {
        "not_scored": None if len(replies) else unjudged,
        "judge": judge,
        "replied_as": replies["replied_as"].unique().sort().to_list(),
        "n_replies": len(replies),
        "n_unread": int((~replies["is_read"]).sum()),
    }


def _judged_rows(
    home: Home, registration: BenchmarkRegistration, replies: Mapping[str, pl.DataFrame]
) -> Iterator[dict[str, Any]]:
    """Rows of ``judged_scores``."""
    benchmark = benchmark_named(registration.form)
    judged = {partition: frame for partition, frame in replies.items() if len(frame)}
    if not isinstance(benchmark, JudgedBenchmark) or not judged:
        return
    items = items_of(benchmark_items(home, registration.name))
    for partition, frame in judged.items():
        _, key = parse_partition(partition)
        runs = runs_of(frame)
        over = benchmark.over_runs(items, runs)
        scores = [benchmark.score_all(items, run) for run in runs]
        yield {
            "benchmark": registration.name,
            "method": key.method,
            "budget": key.budget_text,
            "seed": key.seed,
            "n_runs": len(runs),
            "total": over["total"],
            "std": over["std"],
            "agreement": agreement([[run.get(item.item_id, math.nan) for item in items] for run in scores]),
            "n_replies": len(frame),
            "n_unread": int((~frame["is_read"]).sum()),
        }
