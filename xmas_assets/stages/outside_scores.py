"""Targets scored by lmms-eval in an environment of its own; its answers and numbers stored apart from our scores."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xmas_assets.contracts.artifacts import SelectionKey, parse_partition
from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.remedies import OUTSIDE_SCORES
from xmas_assets.evaluation.lmms_eval import PROBE, TASKS, Asked, model_of, read_versions
from xmas_assets.evaluation.lmms_eval_output import Output, read_output, why_nothing
from xmas_assets.evaluation.outside_programs import checked_python, clean_environment, hide, run_program
from xmas_assets.files.model_content import read_model_json
from xmas_assets.files.whole import files_digest
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, read_checkpoints, stage
from xmas_assets.stages.model_export import write_plain_model
from xmas_assets.stages.scores import BENCHMARK_ANSWERS_SCHEMA

_VERSION = "1"  # raised when the same files would be read differently
_PROBE_SECONDS = 60
_MODEL = "model"
_EMPTY = "lmms-eval scores a failed answer as an empty one"
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_SETTINGS = {"PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
_AGGREGATES = {
    "task": pl.String,
    "metric": pl.String,
    "filter": pl.String,
    "value": pl.Float64,
    "stderr": pl.Float64,
    "higher_is_better": pl.Boolean,
}
_TASKS = {
    "task": pl.String,
    "task_version": pl.String,
    "task_hash": pl.String,
    "config_sha256": pl.String,
    "git_hash": pl.String,
    "n_items": pl.Int64,
    "n_empty": pl.Int64,
}
_RUN = {"asked": pl.String, "model": pl.String, "model_args": pl.String, "batch_size": pl.Int64, "device": pl.String}
_RUN |= {"limit": pl.Int64, "lmms_eval": pl.String, "versions": pl.String, "target": pl.String}


@dataclass(frozen=True)
class LmmsEval:
    """How lmms-eval is run.

    Attributes:
        python: Interpreter of its environment.
        model: Which of its models loads the targets; None for the one of their family.
        model_args: Further arguments of that model, ``name=value`` with commas between.
        batch_size: Questions at once.
        device: As torch names it; None for that of the dataset's targets.
        limit: Only the first so many questions of each task; None for all.
        include: Folder of further task files.
        passed: Names of variables that it is given though they may be secrets.
        hours: The longest that a task may take.
    """

    python: Path
    model: str | None = None
    model_args: str = ""
    batch_size: int = 1
    device: str | None = None
    limit: int | None = None
    include: Path | None = None
    passed: Sequence[str] = ()
    hours: int = 24


def tasks_of(home: Home, dataset: str) -> list[str]:
    """lmms-eval's tasks for the benchmarks that a dataset names, in their order.

    Raises:
        SettingsError: If there are none.
    """
    forms = [home.benchmarks.registration(name).form for name in home.registration(dataset).benchmarks]
    tasks = list(dict.fromkeys(TASKS[form] for form in forms if form in TASKS))
    if not tasks:
        raise SettingsError(f"{dataset!r} names no benchmark that lmms-eval has; name its tasks by --task")
    return tasks


def score_by_lmms_eval(
    home: Home, dataset: str, key: SelectionKey, *, tasks: Sequence[str], how: LmmsEval, say: Callable[[str], None]
) -> StoredTables:
    """Have lmms-eval ask and score the target of a selection; a task that it has finished is not run again.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        key: The selection.
        tasks: Of lmms-eval.
        how: Its environment and settings.
        say: Receives a line per task.

    Returns:
        ``answers`` (columns of our own ``benchmark_answers``; ``benchmark`` is the task), ``aggregates`` as lmms-eval
        printed them, and ``tasks``: versions, hashes and settings. Of all tasks that the target was scored on.

    Raises:
        SettingsError: If there is no lmms-eval at ``how.python``, or no model of it for the target.
        StoreError: If there is no target, or lmms-eval wrote no results or none that can be read.
    """
    python, environment = checked_python(how.python), clean_environment(how.passed) | _SETTINGS
    partition = f"{dataset}|{key}"
    trained = read_checkpoints(home.stored("target_model", partition)["checkpoints"], home.path())[-1]
    with home.shared_work("lmms_eval", partition, trained.digest) as workspace:
        workspace.mkdir(parents=True, exist_ok=True)
        versions = _versions(workspace, python, environment)
        for task in tasks:
            asked = _asked(home, dataset, task, how)
            identity = combine(_VERSION, json.dumps(versions, sort_keys=True), repr(asked), _digest(how.include))
            folder = workspace / identity[:32]
            if any((folder / "tables").glob("*.parquet")):
                say(f"{key}: {task} was scored before")
            else:
                say(f"{key}: {task} with lmms-eval {versions['lmms-eval']}; its log is {folder / 'log.txt'}")
                write_plain_model(home, dataset, key, to=workspace / _MODEL)
                output = _run(folder, asked, python=python, how=how, environment=environment)
                stage(folder, _tables(output, asked, versions, target=trained.digest))
                for facts in output.tasks:
                    if facts.n_empty:
                        say(f"{facts.n_empty:,} of {facts.n_items:,} answers to {facts.task} are empty; {_EMPTY}")
            _publish(home, partition, workspace, StoredTables(folder / "tables"))
        shutil.rmtree(workspace / _MODEL, ignore_errors=True)
    return home.stored(OUTSIDE_SCORES, partition)


def outside_scores(home: Home, dataset: str) -> pl.DataFrame:
    """What lmms-eval printed of a dataset's targets as they are now, means over seeds.

    Returns:
        ``scorer``, ``asked``, ``task``, ``metric``, ``filter``, ``method``, ``budget``, ``n_seeds``, ``n_items``,
        ``value``; no rows if it was never run. A group of tasks has no number of items.
    """
    frames = []
    for partition in home.stored_partitions(OUTSIDE_SCORES, dataset):
        if not home.is_stored("target_model", partition):
            continue
        _, key = parse_partition(partition)
        stored = home.stored(OUTSIDE_SCORES, partition)
        target = read_checkpoints(home.stored("target_model", partition)["checkpoints"], home.path())[-1].digest
        tasks = stored["tasks"].frame().filter(target=target)
        scorers = tasks.select("asked", scorer=pl.format("lmms-eval {}", "lmms_eval")).unique(maintain_order=True)
        frame = stored["aggregates"].frame().join(scorers, on="asked", maintain_order="left")
        counts = tasks.select("asked", "task", "n_items")
        frame = frame.join(counts, on=["asked", "task"], how="left", maintain_order="left")
        frames.append(frame.with_columns(method=pl.lit(key.method), budget=pl.lit(key.budget_text), seed=key.seed))
    if not frames:
        return pl.DataFrame()
    by = ["scorer", "asked", "task", "metric", "filter", "method", "budget"]
    value = pl.col("value").sort_by("seed", maintain_order=True).mean()
    means = pl.concat(frames).group_by(by, maintain_order=True).agg(pl.len().alias("n_seeds"), pl.max("n_items"), value)
    return means.sort(by, maintain_order=True)


def _versions(workspace: Path, python: str, environment: dict[str, str]) -> dict[str, str | None]:
    log = workspace / "versions.txt"
    command = [python, "-I", "-c", PROBE]
    run_program(command, folder=workspace, log=log, environment=environment, seconds=_PROBE_SECONDS)
    return read_versions(log, python=python)


def _asked(home: Home, dataset: str, task: str, how: LmmsEval) -> Asked:
    device = how.device or home.settings(dataset).target_base.device
    base = read_base(home.stored("target_base", dataset))
    family = read_model_json(base / "config.json")["model_type"]
    has_template = any((base / name).is_file() for name in _TEMPLATES)
    # The model by a relative path: lmms-eval splits its arguments at commas, which a home's name may hold.
    arguments = [f"pretrained=../{_MODEL}", f"device_map={device}", *([how.model_args] if how.model_args else [])]
    return Asked(
        task=task,
        model=how.model or model_of(family, has_chat_template=has_template),
        model_args=",".join(arguments),
        batch_size=how.batch_size,
        device=device,
        limit=how.limit,
        include=None if how.include is None else str(how.include.absolute()),
    )


def _digest(include: Path | None) -> str:
    """Digest of the task files in a folder."""
    if include is None:
        return ""
    if not include.is_dir():
        raise SettingsError(f"{str(include)!r} is not a directory; give the folder of the task files by --include-path")
    files = sorted(path for path in include.rglob("*") if path.suffix in {".yaml", ".py"})
    return files_digest(files, below=include)


def _run(folder: Path, asked: Asked, *, python: str, how: LmmsEval, environment: dict[str, str]) -> Output:
    """Start lmms-eval in an empty folder, and read what it wrote there."""
    if folder.exists():  # of a run that was stopped: samples would be added to its files
        shutil.rmtree(folder)
    folder.mkdir()
    log = folder / "log.txt"
    try:
        code = run_program(
            [python, *asked.words("output")],
            folder=folder,
            log=log,
            environment=environment,
            seconds=how.hours * 3600,
        )
    finally:
        hide((environment[name] for name in how.passed), folder)
    if code is None:
        raise StoreError(
            f"task {asked.task!r} took more than {how.hours} hours; give more by --hours; its log is {log}"
        )
    output = read_output(folder / "output", asked)
    if output is None:
        raise StoreError(
            f"lmms-eval wrote no results of task {asked.task!r} (exit code {code}): {why_nothing(log)}; repair that, "
            f"and run the same command again; its log is {log}"
        )
    return output


def _tables(
    output: Output, asked: Asked, versions: Mapping[str, str | None], *, target: str
) -> dict[str, pl.DataFrame]:
    run = (asked.task, asked.model, asked.model_args, asked.batch_size, asked.device, asked.limit)
    run += (versions["lmms-eval"], json.dumps(versions, sort_keys=True), target)
    answers = [(r.task, r.item_id, None, r.question, r.answer, r.score, asked.task) for r in output.replies]
    aggregates = [(*aggregate, asked.task) for aggregate in output.aggregates]
    of_task = {"asked": pl.String}
    return {
        "answers": pl.DataFrame(answers, schema=BENCHMARK_ANSWERS_SCHEMA | of_task, orient="row"),
        "aggregates": pl.DataFrame(aggregates, schema=_AGGREGATES | of_task, orient="row"),
        "tasks": pl.DataFrame([(*facts, *run) for facts in output.tasks], schema=_TASKS | _RUN, orient="row"),
    }


def _publish(home: Home, partition: str, workspace: Path, new: StoredTables) -> None:
    """Put the tables of one task among those that are stored of the same target, in place of earlier ones of it."""
    frames = {name: table.frame() for name, table in new.items()}
    asked, target = frames["tasks"].select("asked", "target").row(0)
    if home.is_stored(OUTSIDE_SCORES, partition):
        stored = home.stored(OUTSIDE_SCORES, partition)
        kept = stored["tasks"].frame().filter(pl.col("target") == target, pl.col("asked") != asked)["asked"].unique()
        others = {name: stored[name].frame().filter(pl.col("asked").is_in(kept.to_list())) for name in frames}
        frames = {
            name: pl.concat([others[name], frame]).sort("asked", maintain_order=True) for name, frame in frames.items()
        }
    home.put(OUTSIDE_SCORES, partition, stage(workspace, frames))
