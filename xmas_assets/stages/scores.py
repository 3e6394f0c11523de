"""A trained target asked the dataset's test questions and its benchmarks' questions; what was asked before is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, BenchmarkSettings
from xmas_assets.evaluation.answers import Answer
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.home.benchmarks import partition_of
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions
from xmas_assets.home.stored_tables import StoredTables, combine, stage
from xmas_assets.scale.row_tables import make_row_table, samples_digest
from xmas_assets.stages.benchmarks import benchmark_items, items_of, samples_of

if TYPE_CHECKING:
    from xmas_assets.vlm.image_inputs import OpenImage
    from xmas_assets.vlm.loading import Vlm

_VERSION = 1  # raised when the same model would give other answers
_ROWS_PER_SHARD = 1024
_REPLIES = pa.field("replies", pa.list_(pa.string()))
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


@dataclass(frozen=True)
class Target:
    """A trained model that is asked.

    Attributes:
        checkpoint: Its weights.
        settings: Of the base that it was trained from.
        load: Loads it; called only where a question was not asked before.
    """

    checkpoint: Checkpoint
    settings: BaseModelSettings
    load: "Callable[[], Vlm]"

    @classmethod
    def of(cls, checkpoint: Checkpoint, settings: BaseModelSettings, *, base: Path) -> "Target":
        """A checkpoint that is loaded once, when it is first asked."""

        @cache
        def load() -> "Vlm":
            from xmas_assets.vlm.loading import load_vlm

            return load_vlm(checkpoint.path, settings, base=base)

        return cls(checkpoint, settings, load)


def stage_answers(
    workspace: Path,
    home: Home,
    dataset: str,
    raw_dataset: StoredTables,
    *,
    target: Target,
    progress_of: ProgressOf,
) -> StoredTables:
    """Ask a target, and stage ``answers`` to test questions and, where the dataset names any, to benchmarks.

    Args:
        workspace: Of the stage.
        home: The platform's folder.
        dataset: Dataset name.
        raw_dataset: Its tables.
        target: Who is asked.
        progress_of: Gives the progress of one piece of work, by name.

    Raises:
        DatasetError: If the dataset has no test records.
    """
    own = own_answers(home, dataset, raw_dataset, target, progress=progress_of("questions"))
    others = benchmark_answers(home, dataset, target, progress_of=progress_of)
    schema = dict.fromkeys(Answer._fields, pl.String) | {"score": pl.Float64}
    tables = {"answers": pl.DataFrame(own, schema=schema, orient="row")}
    # No empty table: what was made before there were benchmarks keeps its content, and so its version.
    return stage(workspace, tables | ({"benchmark_answers": others} if len(others) else {}))


def own_answers(
    home: Home, dataset: str, raw_dataset: StoredTables, target: Target, *, progress: ProgressCallback
) -> list[Answer]:
    """The target's answers to the dataset's own test questions.

    Raises:
        DatasetError: If it has no test records.
    """
    from xmas_assets.evaluation.runner import chosen_questions, scored_answers

    samples, settings = held_out_questions(raw_dataset), home.settings(dataset).benchmark
    chosen = chosen_questions(samples, settings.max_questions)
    image = home.open_image(dataset)
    replies = _replies(home, dataset, samples, image, settings, target=target, chosen=chosen, progress=progress)
    return scored_answers(samples, replies, chosen=chosen)


def benchmark_answers(home: Home, dataset: str, target: Target, *, progress_of: ProgressOf) -> pl.DataFrame:
    """The target's answers to the questions of every benchmark that the dataset names, and their scores.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        target: Who is asked.
        progress_of: Gives the progress of one benchmark, by name.
    """
    settings = home.settings(dataset).benchmark
    frames = [pl.DataFrame(schema=BENCHMARK_ANSWERS_SCHEMA)]
    for name in home.registration(dataset).benchmarks:
        registration = home.benchmarks.registration(name)
        benchmark = benchmark_named(registration.form)
        tables = benchmark_items(home, name)
        samples = samples_of(tables)
        longest = registration.max_new_tokens or benchmark.max_new_tokens
        replies = _replies(
            home,
            partition_of(name),
            samples,
            home.benchmarks.open_image(name),
            settings.model_copy(update={"max_new_tokens": longest}),
            target=target,
            chosen=None,
            progress=progress_of(name),
        )
        items = items_of(tables)
        given = {item.item_id: reply[0] for item, reply in zip(items, replies, strict=True)}
        answered = {name: reply for name, reply in given.items() if reply is not None}
        scores = {} if benchmark.judged else benchmark.score_all(items, answered)
        rows = [
            (name, item.item_id, sample.first_image_hash, item.question, given[item.item_id], scores.get(item.item_id))
            for item, sample in zip(items, samples, strict=True)
        ]
        refused = [(name, item_id, "", "", None, None) for item_id in tables["refused"].column("item_id")]
        frames.append(pl.DataFrame(rows + refused, schema=BENCHMARK_ANSWERS_SCHEMA, orient="row"))
    return pl.concat(frames)


def _replies(
    home: Home,
    partition: str,
    samples: Sequence[Sample],
    open_image: "OpenImage",
    settings: BenchmarkSettings,
    *,
    target: Target,
    chosen: set[str] | None,
    progress: ProgressCallback,
) -> list[list[str | None]]:
    """What the target said, by sample; asked in shards, each kept under the model, the prompts and the images."""
    asked = "all" if chosen is None else sorted(chosen)
    how: dict[str, object] = {"tokens": settings.max_new_tokens, "threads": settings.threads, "asked": asked}
    model = target.settings.effective_values() | {"source": None, "revision": None}
    if target.settings.quantization == "int8":  # whose rounding depends on what is asked together
        how["batch"] = settings.batch_size
    how |= {"model": model, "libraries": library_versions(READING), "version": _VERSION}
    key = combine(target.checkpoint.digest, samples_digest(samples), repr(how))

    def compute(part: Sequence[Sample], advance: Callable[[float], None]) -> dict[str, list[list[str | None]]]:
        from xmas_assets.evaluation.runner import ask

        steps = _Steps(advance, len(part))
        limit = target.settings.max_tokens
        return {
            "replies": ask(target.load(), part, open_image, settings, max_tokens=limit, chosen=chosen, progress=steps)
        }

    with home.shared_work("answers", f"{partition}|{target.checkpoint.digest[:16]}", key) as workspace:
        table = make_row_table(
            samples,
            [_REPLIES],
            compute,
            workspace=workspace,
            shard_size=_ROWS_PER_SHARD,
            key=key,
            progress=progress,
        )
        return [reply for batch in table.batches() for reply in batch.column("replies").to_pylist()]


class _Steps:
    """Turns questions done within a shard into rows that are done."""

    def __init__(self, advance: Callable[[float], None], n_rows: int) -> None:
        self._advance, self._n_rows, self._done = advance, n_rows, 0.0

    def __call__(self, progress: Progress) -> None:
        done = self._n_rows * progress.done / (progress.total or 1)
        self._advance(done - self._done)
        self._done = done
