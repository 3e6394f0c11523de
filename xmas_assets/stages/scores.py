"""A trained target asked the dataset's test questions and its benchmarks' questions; what was asked before is kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.evaluation.answers import CUT, Answer, Remark, Reply
from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.home.benchmarks import partition_of
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions
from xmas_assets.home.stored_tables import StoredTables, stage
from xmas_assets.scale.engines import SERIAL, Engine, PartDoneError, PartEngine
from xmas_assets.stages.answer_limits import AnswerLimit, benchmark_limit, own_limit
from xmas_assets.stages.answering import REMARKS, REMARKS_SCHEMA
from xmas_assets.stages.asking import Questions, Target, replies_to
from xmas_assets.stages.benchmarks import asked_samples, benchmark_items, items_of
from xmas_assets.stages.judging import NOT_JUDGED, REPLIES, item_scores, judge_replies
from xmas_assets.stages.requirements import check_questions

BENCHMARK_ANSWERS_SCHEMA = {
    "benchmark": pl.String,
    "item_id": pl.String,
    "image_hash": pl.String,
    "question": pl.String,
    "answer": pl.String,
    "score": pl.Float64,
}
"""Columns of ``benchmark_answers``. ``answer`` is null where the item could not be asked, ``score`` also where the
benchmark's file has no right answer, or where a judge has to score."""

ProgressOf = Callable[[str], ProgressCallback]


class Asked(NamedTuple):
    """What came of asking: a row for each question, remarks on some of them, and what a judge said of the answers."""

    answers: pl.DataFrame
    remarks: list[Remark]
    judged: pl.DataFrame = NOT_JUDGED


def stage_answers(
    workspace: Path,
    home: Home,
    dataset: str,
    raw_dataset: StoredTables,
    *,
    target: Target,
    progress_of: ProgressOf,
    engine: Engine = SERIAL,
) -> StoredTables:
    """Ask a target, and stage ``answers`` to test questions (empty if there are none) and to benchmarks, if any.

    ``remarks`` are staged too where there are any: on questions that were not asked, and on answers that were cut.

    Args:
        workspace: Of the stage.
        home: The platform's folder.
        dataset: Dataset name.
        raw_dataset: Its tables.
        target: Who is asked.
        progress_of: Gives the progress of one piece of work, by name.
        engine: Who asks it.

    Raises:
        DatasetError: If the dataset has neither test records nor benchmarks.
    """
    check_questions(home, dataset)
    own = own_answers(home, dataset, raw_dataset, target, progress=progress_of("questions"), engine=engine)
    others = [
        benchmark_answers(home, dataset, name, target=target, progress_of=progress_of, engine=engine)
        for name in home.registration(dataset).benchmarks
    ]
    tables = {"answers": own.answers}
    # No empty table: what was made before there were benchmarks or remarks keeps its content, and so its version.
    if others:
        tables["benchmark_answers"] = pl.concat([asked.answers for asked in others])
    judged = pl.concat([asked.judged for asked in (own, *others)])
    if len(judged):
        tables[REPLIES] = judged
    remarks = [remark for asked in (own, *others) for remark in asked.remarks]
    if remarks:
        tables[REMARKS] = pl.DataFrame(remarks, schema=REMARKS_SCHEMA, orient="row")
    return stage(workspace, tables)


def ask_part(
    home: Home, dataset: str, raw_dataset: StoredTables, *, target: Target, progress_of: ProgressOf, part: PartEngine
) -> Iterator[tuple[str, str]]:
    """Make a part of a target's answers next to other parts; gives to which questions, and what was done of them.

    Args:
        home: The platform's folder, the same for all parts.
        dataset: Dataset name.
        raw_dataset: Its tables.
        target: Who is asked.
        progress_of: Gives the progress of one piece of work, by name.
        part: Which shards of each.
    """
    common = {"target": target, "engine": part}
    asked: dict[str, Callable[[], object]] = {}
    if held_out_questions(raw_dataset):
        progress = progress_of("questions")
        asked[dataset] = partial(own_answers, home, dataset, raw_dataset, progress=progress, **common)
    for name in home.registration(dataset).benchmarks:
        asked[name] = partial(benchmark_replies, home, dataset, name, progress=progress_of(name), **common)
    for name, ask in asked.items():
        try:
            ask()
            yield name, "all answers are there"
        except PartDoneError as left:
            yield name, str(left)


def own_answers(
    home: Home,
    dataset: str,
    raw_dataset: StoredTables,
    target: Target,
    *,
    progress: ProgressCallback,
    engine: Engine = SERIAL,
) -> Asked:
    """The target's answers to the dataset's own test questions; no rows if it has none."""
    from xmas_assets.evaluation.runner import chosen_questions, right_answers, scored_answers

    samples, settings = held_out_questions(raw_dataset), home.settings(dataset).benchmark
    schema = dict.fromkeys(Answer._fields, pl.String) | {"score": pl.Float64}
    if not samples:
        return Asked(pl.DataFrame(schema=schema), [])
    chosen = chosen_questions(samples, settings.max_questions)
    limit = own_limit(samples, settings, base=target.base)
    questions = Questions(dataset, samples, home.open_image(dataset), chosen)
    how: dict[str, Any] = {"target": target, "longest": limit.tokens, "engine": engine}
    replies = replies_to(home, questions, settings, progress=progress, **how)
    answers = scored_answers(samples, replies, chosen=chosen)
    said = zip(right_answers(samples, chosen=chosen), (reply for row in replies for reply in row), strict=True)
    return Asked(pl.DataFrame(answers, schema=schema, orient="row"), [*limit.remarks(), *_remarks(None, said, limit)])


class Replied(NamedTuple):
    """A benchmark's items, each as the target was asked it, what it said, and the longest answer."""

    items: Sequence[Item]
    samples: Sequence[Sample]
    replies: Sequence[Sequence[Reply]]
    limit: AnswerLimit


def benchmark_replies(
    home: Home, dataset: str, name: str, *, target: Target, progress: ProgressCallback, engine: Engine = SERIAL
) -> Replied:
    """What the target says to the questions of a benchmark; the arguments are those of ``benchmark_answers``."""
    registration, tables = home.benchmarks.registration(name), benchmark_items(home, name)
    samples, items = asked_samples(tables, registration, family=target.family), items_of(tables)
    limit = benchmark_limit(registration, items, base=target.base)
    is_ranked = registration.answering == "likelihood"
    options = {item.item_id: item.details["options"] for item in items} if is_ranked else None
    questions = Questions(partition_of(name), samples, home.benchmarks.open_image(name), options=options)
    how: dict[str, Any] = {"target": target, "longest": limit.tokens, "engine": engine}
    replies = replies_to(home, questions, home.settings(dataset).benchmark, progress=progress, **how)
    return Replied(items, samples, replies, limit)


def benchmark_answers(
    home: Home, dataset: str, name: str, *, target: Target, progress_of: ProgressOf, engine: Engine = SERIAL
) -> Asked:
    """The target's answers to the questions of a benchmark, and their scores.

    Args:
        home: The platform's folder.
        dataset: Whose settings say how targets are asked.
        name: A registered benchmark.
        target: Who is asked.
        progress_of: Gives the progress of one piece of work, by name.
        engine: Who asks it.
    """
    benchmark, tables = benchmark_named(home.benchmarks.registration(name).form), benchmark_items(home, name)
    items, samples, replies, limit = benchmark_replies(
        home, dataset, name, target=target, progress=progress_of(name), engine=engine
    )
    given = {item.item_id: reply[0] for item, reply in zip(items, replies, strict=True)}
    answered = {item: reply.text for item, reply in given.items() if reply.text is not None}
    progress = progress_of(f"{name}, judged")
    judged = judge_replies(home, name, items, answered, base=target.settings, progress=progress)
    scores = item_scores(benchmark, items, answered, judged)
    rows = [
        (name, item.item_id, sample.first_image_hash, item.question, given[item.item_id].text, scores.get(item.item_id))
        for item, sample in zip(items, samples, strict=True)
    ]
    refused = dict(tables["refused"].frame(["item_id", "reason"]).iter_rows())
    rows += [(name, item_id, "", "", None, None) for item_id in refused]
    left_out = ((item, Reply(None, left_out=reason)) for item, reason in refused.items())
    remarks = [*limit.remarks(name), *_remarks(name, [*given.items(), *left_out], limit)]
    return Asked(pl.DataFrame(rows, schema=BENCHMARK_ANSWERS_SCHEMA, orient="row"), remarks, judged)


def _remarks(benchmark: str | None, said: Iterable[tuple[str, Reply]], limit: AnswerLimit) -> list[Remark]:
    """Remarks on questions that were not asked, and on answers that were cut."""
    remarks = []
    for name, reply in said:
        if reply.is_cut:
            remarks.append(Remark(benchmark, name, CUT, limit.tokens))
        if reply.left_out is not None:
            remarks.append(Remark(benchmark, name, reply.left_out, None))
    return remarks
