"""What a reader has to know of the answers behind the scores: questions not asked, and answers cut."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.evaluation.answers import CUT, REFERENCE_CUT, Remark
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.report.answering import answering_notes

ANSWERING = "answering"
"""Table of the leaderboard that ``answering_table`` makes; not there if it would be empty."""
REMARKS = "remarks"
"""Table of ``benchmark_scores``; not there if there is nothing to remark."""
REMARKS_SCHEMA = dict.fromkeys(Remark._fields, pl.String) | {"n_tokens": pl.Int64}
_SCHEMA = {
    "benchmark": pl.String,
    "method": pl.String,
    "budget": pl.String,
    "n_questions": pl.Int64,
    "n_answered": pl.Int64,
    "not_asked": pl.String,
    "n_cut": pl.Int64,
    "longest_answer": pl.Int64,
    "n_references_cut": pl.Int64,
    "longest_reference": pl.Int64,
}


def answering_table(scores: Mapping[str, StoredTables]) -> pl.DataFrame:
    """What was asked of all scored selections, where there is something to say about it.

    Args:
        scores: The stored answers, by partition key.

    Returns:
        One row per benchmark (null: the dataset's own test records), method and budget with a question that was not
        asked or an answer that was cut, over all seeds. ``not_asked`` gives the reasons with their numbers;
        ``longest_answer`` is the length in tokens at which answers were cut. ``n_references_cut`` counts the
        questions of which every right answer is longer; of these answers the longest has ``longest_reference`` tokens.
    """
    groups: dict[tuple[str | None, str, str], list[_Asked]] = {}
    for partition, tables in sorted(scores.items()):
        _, key = parse_partition(partition)
        for benchmark, asked in _asked_of(tables).items():
            groups.setdefault((benchmark, key.method, key.budget_text), []).append(asked)
    rows = [(*group, *_counted(asked).values()) for group, asked in groups.items()]
    table = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    told = table.filter(
        (pl.col("n_answered") < pl.col("n_questions")) | (pl.col("n_cut") + pl.col("n_references_cut") > 0)
    )
    return told.sort("benchmark", pl.col("budget").cast(pl.Float64), "method", maintain_order=True)


def asking_notes(home: Home, dataset: str, answering: pl.DataFrame | None) -> list[str]:
    """What is said beside the scores: unread test records, benchmarks asked in another way, and ``answering``.

    Args:
        home: The platform's folder, with ``raw_dataset``.
        dataset: Dataset name.
        answering: From ``answering_table``, if there is any.
    """
    notes = _unread(home.stored("raw_dataset", dataset)["quarantine"].frame(["split", "reason"]))
    for name in home.registration(dataset).benchmarks:
        registration = home.benchmarks.registration(name)
        if registration.answering == "likelihood":
            notes.append(f"{name}: the option that a model finds most likely is its answer; it says nothing itself.")
        if registration.prompt_style == "family":
            notes.append(f"{name}: asked with the prompt that the model's family published, not with LLaVA-1.5's.")
    return notes + answering_notes(answering)


def answering_metrics(tables: StoredTables) -> dict[str, float]:
    """Share of the questions that were answered and number of answers that were cut, by metric and benchmark."""
    metrics = {}
    for benchmark, asked in _asked_of(tables).items():
        counts = _counted([asked])
        if counts["n_questions"]:
            of = "" if benchmark is None else f"/{benchmark}"
            metrics[f"coverage{of}"] = counts["n_answered"] / counts["n_questions"]
            metrics[f"answers_cut{of}"] = counts["n_cut"]
    return metrics


def _unread(quarantine: pl.DataFrame) -> list[str]:
    """How many test records are no questions, because they could not be read."""
    reasons = Counter(quarantine.filter(split="test")["reason"])
    if not reasons:
        return []
    return [f"{reasons.total():,} test records could not be read, so they are no questions ({_told(reasons)})."]


def _told(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))


class _Asked(NamedTuple):
    """Of one selection and benchmark: numbers of questions and of answers, and the remarks."""

    n_questions: int
    n_answered: int
    remarks: pl.DataFrame


def _asked_of(tables: StoredTables) -> dict[str | None, _Asked]:
    """What was asked of one selection, by benchmark; None for the dataset's own test records."""
    counts = [pl.len().cast(pl.Int64).alias("n_questions"), pl.col("answer").count().cast(pl.Int64)]
    own = tables["answers"].scan().select(pl.lit(None, pl.String).alias("benchmark"), *counts).collect()
    found = own.rows()
    if "benchmark_answers" in tables:
        answers = tables["benchmark_answers"].scan()
        found += answers.group_by("benchmark", maintain_order=True).agg(counts).collect().rows()
    remarks = tables[REMARKS].frame() if REMARKS in tables else pl.DataFrame(schema=REMARKS_SCHEMA)
    return {
        name: _Asked(n_questions, n_answered, remarks.filter(pl.col("benchmark").eq_missing(pl.lit(name, pl.String))))
        for name, n_questions, n_answered in found
    }


def _counted(asked: list[_Asked]) -> dict[str, Any]:
    """The counts of a row of ``answering_table``, over seeds."""
    remarks = pl.concat([one.remarks for one in asked])
    cut, references = remarks.filter(remark=CUT), remarks.filter(remark=REFERENCE_CUT)
    n_questions, n_answered = sum(one.n_questions for one in asked), sum(one.n_answered for one in asked)
    reasons = Counter(remarks.filter(~pl.col("remark").is_in([CUT, REFERENCE_CUT]))["remark"])
    unknown = n_questions - n_answered - reasons.total()  # answers of earlier versions came without reasons
    reasons |= {"reason unknown": unknown} if unknown else {}
    return {
        "n_questions": n_questions,
        "n_answered": n_answered,
        "not_asked": _told(reasons),
        "n_cut": len(cut),
        "longest_answer": cut["n_tokens"].max(),
        "n_references_cut": references["question_id"].n_unique(),
        "longest_reference": references["n_tokens"].max(),
    }
