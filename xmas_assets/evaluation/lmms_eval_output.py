"""What lmms-eval writes: the forms of its version 0.7.3, read into numbers and replies."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.messages import describe_invalid
from xmas_assets.evaluation.lmms_eval import Asked
from xmas_assets.evaluation.outside_programs import last_error
from xmas_assets.files.notes import note_bytes

_KNOWN = "lmms-eval 0.7.3"
_MAX_LINE = 2**28  # bytes
_AGAIN = "run the same command again"
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_LOG_PREFIX = re.compile(r"^\d{4}-.*?\| .*? - (?=Error)")
_LOG_SUFFIX = re.compile(r"\.* Please set `--verbosity=DEBUG`.*")


class Reply(NamedTuple):
    """What a model said to one item; ``score`` is None where lmms-eval gives none to a single item."""

    task: str
    item_id: str
    question: str
    answer: str
    score: float | None


class Aggregate(NamedTuple):
    """One number as lmms-eval printed it; ``task`` may be a group."""

    task: str
    metric: str
    filter: str
    value: float
    stderr: float | None
    higher_is_better: bool | None


class TaskFacts(NamedTuple):
    """How one task was done: its version and hash as lmms-eval wrote them, and a digest of its settings."""

    task: str
    task_version: str
    task_hash: str | None
    config_sha256: str
    git_hash: str | None
    n_items: int
    n_empty: int


class Output(NamedTuple):
    """All that lmms-eval wrote of one start."""

    replies: list[Reply]
    aggregates: list[Aggregate]
    tasks: list[TaskFacts]


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class _Count(_Read):
    effective: float


class _Config(_Read):
    model: str
    model_args: str


class _Results(_Read):
    """The file of results; further fields are of no use here."""

    results: dict[str, dict[str, Any]]
    configs: dict[str, dict[str, Any]] = Field(min_length=1)
    versions: dict[str, Any]
    counts: dict[str, _Count] = Field(alias="n-samples")
    config: _Config
    higher_is_better: dict[str, dict[str, bool | None]] = {}
    task_hashes: dict[str, str] = {}
    git_hash: str | None = None


class _Sample(BaseModel):
    """A line of a file of samples; what it holds beyond these are the item's values by metric."""

    model_config = ConfigDict(extra="allow")

    doc_id: int | str
    filtered_resps: Any
    resps: Any = None
    input: Any = None
    target: Any = None
    token_counts: Any = None
    doc_hash: Any = None
    input_media: Any = None


def why_nothing(log: Path) -> str:
    """Why lmms-eval wrote no results, by its log; it ends with code 0 then, too."""
    return _LOG_SUFFIX.sub("", _LOG_PREFIX.sub("", last_error(log))).rstrip(". ")


def read_output(folder: Path, asked: Asked) -> Output | None:
    """Read what one start of lmms-eval wrote; None if it wrote no results.

    Args:
        folder: Its ``--output_path``.
        asked: What it was asked.

    Raises:
        StoreError: If a file is not whole, not in the known form, or of something else.
    """
    files = sorted(folder.glob("*/*_results.json"))
    if not files:
        return None
    if len(files) > 1:
        raise StoreError(f"{folder} holds {len(files)} files of results where one start writes one; {_AGAIN}")
    path = files[0]
    try:
        found = _Results.model_validate_json(note_bytes(path))
    except ValueError as error:
        problem = describe_invalid(error) if isinstance(error, ValidationError) else error
        raise StoreError(f"{path} is no results file of {_KNOWN}: {problem}; {_AGAIN}") from None
    if (found.config.model, found.config.model_args) != (asked.model, asked.model_args):
        seen = f"{found.config.model} with {found.config.model_args}"[:300]
        raise StoreError(f"{path} is of another model, {seen}; {_AGAIN}")
    if asked.task not in {*found.results, *found.configs}:
        raise StoreError(f"{path} has no task {asked.task!r}, only {', '.join(sorted(found.results))}; {_AGAIN}")
    output = Output([], list(_aggregates(found)), [])
    for task, config in sorted(found.configs.items()):
        replies = _replies(path.with_name(path.name.replace("_results.json", f"_samples_{task}.jsonl")), task, config)
        expected = math.ceil(found.counts[task].effective) if task in found.counts else "an unknown number of"
        if len(replies) != expected:
            raise StoreError(f"{folder} has {len(replies)} of {expected} samples of task {task!r}; {_AGAIN}")
        output.replies.extend(replies)
        output.tasks.append(_facts(found, task, replies))
    if not output.aggregates:
        raise StoreError(f"{path} holds no number; {_AGAIN}")
    return output


def _replies(path: Path, task: str, config: Mapping[str, Any]) -> list[Reply]:
    """The replies in a file of samples, by item; of a task with several filters, those of the first."""
    listed = config.get("metric_list")
    metrics = [each["metric"] for each in listed if isinstance(each, dict) and "metric" in each] if listed else []
    by_item: dict[str, Reply] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            sample = _Sample.model_validate_json(line)
        except ValidationError as error:
            problem = describe_invalid(error)
            raise StoreError(f"{path} line {number} is no sample of {_KNOWN}: {problem}; {_AGAIN}") from None
        score = _score(sample.model_extra or {}, metrics, str(config.get("score_key", "score")))
        said = sample.filtered_resps if sample.resps is None else sample.resps
        item = str(sample.doc_id)
        by_item.setdefault(item, Reply(task, item, _text(sample.input), _text(said), score))
    return list(by_item.values())


def _lines(path: Path) -> Iterator[bytes]:
    if path.is_file():
        with path.open("rb") as stream:
            while line := stream.readline(_MAX_LINE):  # a longer one is cut, and no sample
                yield line


def _text(value: Any) -> str:
    """A text as it is; anything else, such as several replies, as JSON; nothing for nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _score(values: Mapping[str, Any], metrics: Sequence[str], score_key: str) -> float | None:
    """An item's value of the first metric that has a number for it."""
    for metric in metrics:
        value = values.get(metric)
        number = _number(value.get(score_key) if isinstance(value, dict) else value)
        if number is not None:
            return number
    return None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _aggregates(found: _Results) -> Iterator[Aggregate]:
    """The numbers of each task and group; what is none, as of a metric that was not asked for, is left out."""
    for task, values in sorted(found.results.items()):
        for name, value in values.items():
            metric, comma, chain = name.rpartition(",")
            number = _number(value)
            if comma and number is not None and not re.search("_stderr(_clt|_clustered)?$", metric):
                stderr = _number(values.get(f"{metric}_stderr,{chain}"))
                yield Aggregate(task, metric, chain, number, stderr, found.higher_is_better.get(task, {}).get(metric))


def _facts(found: _Results, task: str, replies: Sequence[Reply]) -> TaskFacts:
    # It writes functions with their addresses, which differ from run to run.
    config = _ADDRESS.sub("", json.dumps(found.configs[task], sort_keys=True))
    return TaskFacts(
        task=task,
        task_version=str(found.versions.get(task)),
        task_hash=found.task_hashes.get(task),
        config_sha256=hashlib.sha256(config.encode()).hexdigest(),
        git_hash=found.git_hash,
        n_items=len(replies),
        n_empty=sum(not reply.answer.strip() for reply in replies),
    )
