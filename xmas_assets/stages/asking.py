"""Asking a trained target, and keeping what it said, so that no question is asked twice."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pyarrow as pa

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, BenchmarkSettings
from xmas_assets.evaluation.answers import Reply
from xmas_assets.home.answers import ANSWERS, answers_partition
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, read_checkpoints
from xmas_assets.scale.engines import SERIAL, Engine, Remade
from xmas_assets.scale.row_tables import make_row_table
from xmas_assets.scale.shards import is_as_written
from xmas_assets.scale.stage_work import QUESTIONS_PER_SHARD
from xmas_assets.stages.benchmarks import family_at

if TYPE_CHECKING:
    from xmas_assets.vlm.image_inputs import OpenImage
    from xmas_assets.vlm.loading import Vlm

_VERSION = 1  # raised when the same model would give other answers
_REPLY = pa.struct([("text", pa.string()), ("is_cut", pa.bool_()), ("left_out", pa.string())])
_REPLIES = pa.field("replies", pa.list_(_REPLY))
_ASKED = "asked"
"""Column of the kept answers: what ``_question_key`` gave."""


@dataclass(frozen=True)
class Target:
    """A trained model that is asked.

    Attributes:
        checkpoint: Its weights.
        settings: Of the base that it was trained from.
        base: That base's directory.
        load: Loads it, once in each process that asks, where a question was not asked before.
    """

    checkpoint: Checkpoint
    settings: BaseModelSettings
    base: Path
    load: "Callable[[], Vlm]"

    @property
    def family(self) -> str:
        """The model type in its base's config."""
        return family_at(self.base)

    @classmethod
    def of(cls, checkpoint: Checkpoint, settings: BaseModelSettings, *, base: Path) -> Self:
        """A checkpoint that is loaded once, when it is first asked."""
        return cls(checkpoint, settings, base, Remade(partial(_load, checkpoint.path, settings, base)))

    @classmethod
    def stored(
        cls, target_model: StoredTables, target_base: StoredTables, settings: BaseModelSettings, *, root: Path
    ) -> Self:
        """The last checkpoint of a training, as the tables of two assets of the home at ``root`` name it."""
        trained = read_checkpoints(target_model["checkpoints"], root)[-1]
        return cls.of(trained, settings, base=read_base(target_base))


def _load(path: Path, settings: BaseModelSettings, base: Path) -> "Vlm":
    from xmas_assets.vlm.loading import load_vlm

    return load_vlm(path, settings, base=base)


class Questions(NamedTuple):
    """What is asked: samples with assistant turns to be answered.

    Attributes:
        partition: Whose they are.
        samples: The samples.
        open_image: Gives the picture of a reference and content hash.
        chosen: Ids of the questions to ask; None for all.
        options: Of each sample, texts by letter, of which the likeliest is the answer; None to let models speak.
    """

    partition: str
    samples: Sequence[Sample]
    open_image: "OpenImage"
    chosen: set[str] | None = None
    options: Mapping[str, Mapping[str, str]] | None = None


def replies_to(
    home: Home,
    questions: Questions,
    settings: BenchmarkSettings,
    *,
    target: Target,
    longest: int,
    progress: ProgressCallback,
    engine: Engine = SERIAL,
    rows_per_shard: int = QUESTIONS_PER_SHARD,
) -> list[list[Reply]]:
    """What a target says to questions, by sample; what it was asked before is kept, and not asked again.

    Args:
        home: The platform's folder.
        questions: What is asked.
        settings: Batch size and threads.
        target: Who is asked.
        longest: Longest answer, tokens.
        progress: Told how many samples are done.
        engine: Who asks it.
        rows_per_shard: Samples that are asked together.

    Returns:
        Of each sample the replies to its chosen questions, in order of turns. They are made in shards and kept by the
        target, the prompts and the content of the images.

    Raises:
        XmasError: As the engine.
    """
    how = _how_asked(questions, settings, target=target, longest=longest)
    samples, others = questions.samples, questions._replace(samples=())
    options = {name: json.dumps(texts, sort_keys=True) for name, texts in (questions.options or {}).items()}
    folder_key = combine(*(_question_key(sample, how + options.get(sample.sample_id, "")) for sample in samples))
    partition = answers_partition(questions.partition, target.checkpoint.digest)
    work = home.shared_work if engine.is_coordinator else home.part_of_work
    with work(ANSWERS, partition, folder_key) as workspace:
        kept = Remade(partial(_kept_replies, workspace.parent))
        table = make_row_table(
            samples,
            [pa.field(_ASKED, pa.string(), nullable=False), _REPLIES],
            _Asking(others, settings, target, longest, how, options, kept),
            workspace=workspace,
            shard_size=rows_per_shard,
            key=folder_key,
            progress=progress,
            engine=engine,
        )
        rows = (row for batch in table.batches() for row in batch.column("replies").to_pylist())
        return [[Reply(**reply) for reply in row] for row in rows]


def _how_asked(questions: Questions, settings: BenchmarkSettings, *, target: Target, longest: int) -> str:
    """Hash of all that decides replies besides the samples and their options."""
    asked = "all" if questions.chosen is None else sorted(questions.chosen)
    how: dict[str, object] = {"tokens": longest, "threads": settings.threads, "asked": asked}
    model = target.settings.effective_values() | {"source": None, "revision": None}
    if target.settings.quantization == "int8":  # whose rounding depends on what is asked together
        how["batch"] = settings.batch_size
    how |= {"model": model, "libraries": library_versions(READING), "version": _VERSION}
    return combine(target.checkpoint.digest, repr(how))


@dataclass(frozen=True)
class _Asking:
    """Asks the questions of some samples; made for ``make_row_table``, and pickled on its way to other processes.

    Attributes:
        questions: All but the samples.
        settings: Batch size and threads.
        target: Who is asked.
        longest: Longest answer, tokens.
        how: From ``_how_asked``.
        options: Of each sample, as text; empty to let models speak.
        kept: Gives the replies of earlier runs.
    """

    questions: Questions
    settings: BenchmarkSettings
    target: Target
    longest: int
    how: str
    options: Mapping[str, str]
    kept: Remade[dict[str, Any]]

    def __call__(self, samples: Sequence[Sample], advance: Callable[[float], None]) -> dict[str, Any]:
        keys = [_question_key(sample, self.how + self.options.get(sample.sample_id, "")) for sample in samples]
        known = {} if self.target.settings.quantization == "int8" else self.kept()
        new = {key: sample for key, sample in zip(keys, samples, strict=True) if key not in known}
        advance(len(samples) - len(new))
        asked = self.questions._replace(samples=list(new.values()))
        said = _said(asked, self.settings, target=self.target, longest=self.longest, advance=advance)
        replies = known | dict(zip(new, said, strict=True))
        return {_ASKED: keys, "replies": [replies[key] for key in keys]}


def _said(
    questions: Questions,
    settings: BenchmarkSettings,
    *,
    target: Target,
    longest: int,
    advance: Callable[[float], None],
) -> list[list[dict[str, Any]]]:
    """What the target says now, by sample, as rows of the kept answers; it is not loaded for no questions."""
    from xmas_assets.evaluation.likelihood import likeliest_options
    from xmas_assets.evaluation.runner import ask

    _, samples, open_image, chosen, options = questions
    if not samples:
        return []
    steps = _Steps(advance, len(samples))
    common: dict[str, Any] = {"max_tokens": target.settings.max_tokens, "progress": steps}
    if options is None:
        replies = ask(target.load(), samples, open_image, settings, max_new_tokens=longest, chosen=chosen, **common)
    else:
        texts = [options[sample.sample_id] for sample in samples]
        ranked = likeliest_options(target.load(), samples, open_image, settings, options=texts, **common)
        replies = [[reply] for reply in ranked]
    return [[reply._asdict() for reply in of_sample] for of_sample in replies]


class _Steps:
    """Turns questions done within a shard into rows that are done."""

    def __init__(self, advance: Callable[[float], None], n_rows: int) -> None:
        self._advance, self._n_rows, self._done = advance, n_rows, 0.0

    def __call__(self, progress: Progress) -> None:
        done = self._n_rows * progress.done / (progress.total or 1)
        self._advance(done - self._done)
        self._done = done


def _question_key(sample: Sample, how: str) -> str:
    """Hash of everything that decides a target's replies to a sample.

    Args:
        sample: Its id, turns, and the content of its images.
        how: A hash of all else: the target, and how it is asked.
    """
    return hashlib.sha256(repr((how, sample.sample_id, sample.turns, sample.image_hashes)).encode()).hexdigest()


def _kept_replies(folder: Path) -> dict[str, Any]:
    """The replies in the sound shards below a folder, by ``_question_key``; older ones without keys are left out."""
    return {
        asked: replies
        for path in sorted(folder.glob("*/shard-????????"))
        if is_as_written(path)
        for batch in _batches(path)
        if _ASKED in batch.schema.names
        for asked, replies in zip(batch[_ASKED].to_pylist(), batch["replies"].to_pylist(), strict=True)
    }


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file:
        yield from pa.ipc.open_stream(file)
