"""The answers to a judged benchmark scored, by the judge of its registration or by people's ratings."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from xmas_assets.annotation.judge import Judge, ask_judge
from xmas_assets.annotation.kept_replies import KeptReplies
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.evaluation.benchmarks.base import Benchmark, Item, JudgedBenchmark
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.evaluation.ratings import answer_id
from xmas_assets.home.benchmarks import partition_of
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine

REPLIES = "judge_replies"
REPLIES_SCHEMA = {
    "benchmark": pl.String,
    "item_id": pl.String,
    "run": pl.String,
    "reply": pl.String,
    "is_read": pl.Boolean,
    "judge": pl.String,
    "n_asked": pl.Int64,
    "replied_as": pl.String,
}
"""Columns of ``judge_replies``: the reply that counts for each answer in each run. ``run`` is a number from 0, or the
name of a rater; ``judge`` says who was asked and how, ``replied_as`` what the endpoint said that its model is."""
NOT_JUDGED = pl.DataFrame(schema=REPLIES_SCHEMA)
PEOPLE = "people"


def judge_of(registration: BenchmarkRegistration) -> str | None:
    """Who scores a judged benchmark's answers, as the column ``judge`` names it; None of one without a judge."""
    benchmark = benchmark_named(registration.form)
    if not isinstance(benchmark, JudgedBenchmark):
        return None
    if registration.judge is None:
        return PEOPLE if benchmark.rated else None
    return f"{registration.judge.name}, prompt {benchmark.judge_version}"


def judge_replies(
    home: Home,
    name: str,
    items: Sequence[Item],
    answers: Mapping[str, str],
    *,
    base: BaseModelSettings,
    progress: ProgressCallback,
) -> pl.DataFrame:
    """What was said of each answer to a benchmark: no rows of one that needs no judge, or that has none.

    Args:
        home: The platform's folder.
        name: A registered benchmark.
        items: Its items.
        answers: A target's, by item id.
        base: Type of a local judge's weights, and device.
        progress: Called as answers are judged.

    Raises:
        ModelError: If the judge cannot be asked; what it said before is kept.
    """
    registration = home.benchmarks.registration(name)
    benchmark = benchmark_named(registration.form)
    answered = [
        (item, answers[item.item_id]) for item in items if item.item_id in answers and benchmark.is_scored(item)
    ]
    rows: list[tuple[object, ...]] = []
    if isinstance(benchmark, JudgedBenchmark) and registration.judge is not None:
        judge = Judge.of(registration.judge, base, benchmark=benchmark)
        with home.shared_work("judging", partition_of(name), combine(judge.identity)) as workspace:
            kept, n_runs = KeptReplies(workspace), registration.judge.n_runs
            found = ask_judge(judge, benchmark, answered, n_runs=n_runs, kept=kept, progress=progress)
        by = judge_of(registration)
        for item, run, reply, *asked in found:
            rows.append((name, item, str(run), reply, benchmark.reply_is_readable(reply), by, *asked))
    elif isinstance(benchmark, JudgedBenchmark):
        for path in home.benchmarks.ratings(name):
            rated = dict(pl.read_parquet(path).select("answer_id", "rating").iter_rows())
            given = ((item.item_id, rated.get(answer_id(item.item_id, answer))) for item, answer in answered)
            rows += [(name, item, path.stem, said, True, PEOPLE, 1, path.stem) for item, said in given if said]
    return pl.DataFrame(rows, schema=REPLIES_SCHEMA, orient="row")


def item_scores(
    benchmark: Benchmark, items: Sequence[Item], answers: Mapping[str, str], replies: pl.DataFrame
) -> dict[str, float]:
    """Score of each answer by item id; where a judge scores, the mean over its runs.

    Args:
        benchmark: Whose items these are.
        items: All of them.
        answers: By item id.
        replies: From ``judge_replies``.
    """
    if not benchmark.judged:
        return benchmark.score_all(items, answers)
    scores: dict[str, list[float]] = {}
    for run in runs_of(replies):
        for name, score in benchmark.score_all(items, run).items():
            scores.setdefault(name, []).append(score)
    return {name: float(np.mean(values)) for name, values in scores.items()}


def runs_of(replies: pl.DataFrame) -> list[dict[str, str]]:
    """Replies by item id, of each run in the order of their names."""
    by_run = replies.sort("run", "item_id", maintain_order=True).partition_by("run", as_dict=True, maintain_order=True)
    return [dict(frame.select("item_id", "reply").iter_rows()) for frame in by_run.values()]


def replies_of(tables: StoredTables, registration: BenchmarkRegistration) -> pl.DataFrame:
    """A target's stored replies to a benchmark by those who score it now; no rows if another judge scored it."""
    if REPLIES not in tables:
        return NOT_JUDGED
    by = judge_of(registration)
    return tables[REPLIES].frame().filter(pl.col("judge").eq_missing(pl.lit(by)), benchmark=registration.name)
