"""Asking a trained target, and keeping what it said, so that no question is asked twice."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, BenchmarkSettings
from xmas_assets.evaluation.answers import Reply
from xmas_assets.home.answers import ANSWERS, answers_partition
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import combine
from xmas_assets.scale.row_tables import make_row_table
from xmas_assets.scale.shards import is_as_written
from xmas_assets.stages.benchmarks import family_at

if TYPE_CHECKING:
    from xmas_assets.vlm.image_inputs import OpenImage
    from xmas_assets.vlm.loading import Vlm

_VERSION = 1  # raised when the same model would give other answers
_ROWS_PER_SHARD = 1024
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
        load: Loads it; called only where a question was not asked before.
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
    def of(cls, checkpoint: Checkpoint, settings: BaseModelSettings, *, base: Path) -> "Target":
        """A checkpoint that is loaded once, when it is first asked."""

        @cache
        def load() -> "Vlm":
            from xmas_assets.vlm.loading import load_vlm

            return load_vlm(checkpoint.path, settings, base=base)

        return cls(checkpoint, settings, base, load)


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
) -> list[list[Reply]]:
    """What a target says to questions, by sample; what it was asked before is kept, and not asked again.

    Args:
        home: The platform's folder.
        questions: What is asked.
        settings: Batch size and threads.
        target: Who is asked.
        longest: Longest answer, tokens.
        progress: Told how many samples are done.

    Returns:
        Of each sample the replies to its chosen questions, in order of turns. They are made in shards and kept by the
        target, the prompts and the content of the images.
    """
    partition, samples, _, chosen, options = questions
    asked = "all" if chosen is None else sorted(chosen)
    how: dict[str, object] = {"tokens": longest, "threads": settings.threads, "asked": asked}
    model = target.settings.effective_values() | {"source": None, "revision": None}
    if target.settings.quantization == "int8":  # whose rounding depends on what is asked together
        how["batch"] = settings.batch_size
    how |= {"model": model, "libraries": library_versions(READING), "version": _VERSION}
    described = combine(target.checkpoint.digest, repr(how))
    of_options = {name: json.dumps(texts, sort_keys=True) for name, texts in (options or {}).items()}
    keys = {
        sample.sample_id: _question_key(sample, described + of_options.get(sample.sample_id, "")) for sample in samples
    }
    folder_key = combine(*keys.values())

    def compute(part: Sequence[Sample], advance: Callable[[float], None]) -> dict[str, Any]:
        known = {} if target.settings.quantization == "int8" else kept()
        new = [sample for sample in part if keys[sample.sample_id] not in known]
        advance(len(part) - len(new))
        said = _said(questions._replace(samples=new), settings, target=target, longest=longest, advance=advance)
        replies = known | {keys[sample.sample_id]: reply for sample, reply in zip(new, said, strict=True)}
        asked = [keys[sample.sample_id] for sample in part]
        return {_ASKED: asked, "replies": [replies[key] for key in asked]}

    with home.shared_work(ANSWERS, answers_partition(partition, target.checkpoint.digest), folder_key) as workspace:
        kept = cache(lambda: _kept_replies(workspace.parent))
        table = make_row_table(
            samples,
            [pa.field(_ASKED, pa.string(), nullable=False), _REPLIES],
            compute,
            workspace=workspace,
            shard_size=_ROWS_PER_SHARD,
            key=folder_key,
            progress=progress,
        )
        rows = (row for batch in table.batches() for row in batch.column("replies").to_pylist())
        return [[Reply(**reply) for reply in row] for row in rows]


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
