"""What each stage records in MLflow: one run per selection and one per trained model, linked to Dagster and back."""

import time
from collections.abc import Iterable, Mapping

import dagster as dg
import polars as pl

from xmas_assets.contracts.artifacts import Checkpoint, SelectionKey, TrainingRecord, parse_partition
from xmas_assets.contracts.links import dagster_asset, dagster_run
from xmas_assets.contracts.settings import Section, Settings
from xmas_assets.evaluation.cost_tables import DEVICES, STAGES
from xmas_assets.home.command import Command
from xmas_assets.home.stored_tables import StoredTables, combine
from xmas_assets.report.contamination import exclusion_text
from xmas_assets.resources.run_record import RunRecord
from xmas_assets.stages.subsets import Subset

_LONGEST_NAME = 200
_HOURS = tuple(f"{stage}_{device}_hours" for stage in (*STAGES, "total") for device in DEVICES)


def selection_record(
    context: dg.AssetExecutionContext, subset: Subset, staged: StoredTables, *, pictures: Mapping[str, bytes]
) -> RunRecord:
    """The run of a selection: its parameters, what it was made from, its manifest (which holds the rows), pictures."""
    manifest = subset.manifest
    started, ended = _times(context)
    note = f"{manifest.n_selected:,} of {manifest.n_samples:,} rows of `{subset.dataset}`, chosen as `{subset.key}`."
    metrics: dict[str, float] = {"n_selected": manifest.n_selected, "n_samples": manifest.n_samples}
    if manifest.excluded:
        metrics["n_excluded"] = manifest.n_excluded
        note += f" Left out as contaminated: {exclusion_text(manifest.excluded)}."
    parameters = {f"method.{name}": str(value) for name, value in manifest.parameters.items()}
    return RunRecord(
        key=combine("selection", subset.dataset, str(subset.key), staged.version),
        experiment=subset.dataset,
        name=f"select {subset.key}",
        params=_key_params(subset.key) | parameters,
        tags=_tags(context, "selection", note) | {f"upstream.{name}": v for name, v in manifest.upstream.items()},
        metrics=metrics,
        parent=_parent_key(subset.dataset, subset.key),
        started=started,
        ended=ended,
        inputs={subset.dataset: manifest.dataset_digest},
        files={"manifest.json": manifest.to_bytes().decode()},
        pictures={f"pictures/{name}.png": png for name, png in pictures.items()},
    )


def model_record(
    context: dg.AssetExecutionContext,
    *,
    upstream: Mapping[str, str],
    trained: Checkpoint,
    record: TrainingRecord,
    settings: Settings,
) -> RunRecord:
    """The run of a trained model: settings, what it was trained on, its weights as a registered version."""
    dataset, key = parse_partition(context.partition_key)
    started, ended = _times(context)
    note = f"The targets' base model fine-tuned on the {record.n_samples:,} rows of `{dataset}` that `{key}` chose."
    measured = {"training_wall_seconds": record.wall_seconds, "training_peak_memory_bytes": record.peak_memory_bytes}
    return RunRecord(
        key=model_run_key(dataset, key, trained.digest),
        experiment=dataset,
        name=f"train {key}",
        params=_key_params(key) | _flat("target", settings.target) | _flat("target_base", settings.target_base),
        tags=_tags(context, "model", note) | {f"upstream.{name}": version for name, version in upstream.items()},
        metrics={
            "training_cpu_seconds": record.cpu_seconds,
            "training_loss": record.mean_loss,
            "n_samples": record.n_samples,
            "n_steps": record.n_steps,
        }
        | {name: value for name, value in measured.items() if value is not None},
        parent=_parent_key(dataset, key),
        started=started,
        ended=ended,
        curves={"loss": record.losses},
        inputs={f"{dataset}.{key.method}": upstream["selected_subset"]},
        artifacts={"model": [trained.path]},
        model="model",
        alias=str(key).replace(".", "-"),
    )


def runs_above(context: dg.AssetExecutionContext) -> list[RunRecord]:
    """The runs that a selection's and its model's are shown below: the command's, then the method's at the budget."""
    dataset, key = parse_partition(context.partition_key)
    command, (started, ended) = Command.of(context.run.tags), _times(context)
    launched = context.run.tags.get("dagster/backfill") or context.run.root_run_id or context.run.run_id
    top = RunRecord(
        key=combine("command", dataset, command.identity if command else launched),
        experiment=dataset,
        name=(command.words if command else f"Dagster {launched[:8]}")[:_LONGEST_NAME],
        tags={"xmas.kind": "command"} | _source(context),
        started=command.started if command else started,
        ended=ended,
        grows=True,
    )
    placed = {"parent": top.key, "started": started, "ended": ended, "grows": True}
    return [top, _method_record(dataset, key).model_copy(update=placed)]


def scores_record(
    context: dg.AssetExecutionContext, *, answers: pl.DataFrame, trained: Checkpoint, more: Mapping[str, float]
) -> RunRecord:
    """The same model's run, with its score on every task, and more metrics by name."""
    dataset, key = parse_partition(context.partition_key)
    by_task = (
        answers.group_by(pl.col("task").fill_null("all"), maintain_order=True)
        .agg(pl.col("score").mean())
        .sort("task", maintain_order=True)
    )
    metrics = {f"score/{_metric_name(task)}": score for task, score in by_task.iter_rows()}
    if len(by_task):  # else the dataset has no test records of its own
        metrics["score"] = float(by_task["score"].mean())  # pyright: ignore[reportArgumentType]
    return RunRecord(
        key=model_run_key(dataset, key, trained.digest),
        experiment=dataset,
        name=f"train {key}",
        metrics=metrics | dict(more),
        tags={"dagster.scores_run": context.run.run_id},
    )


def comparison_records(
    dataset: str, tables: Mapping[str, pl.DataFrame], models: Iterable[tuple[SelectionKey, str, float | None]]
) -> list[RunRecord]:
    """A parent run per method and budget with means over seeds, then the models' runs below it with their own numbers.

    Args:
        dataset: Dataset name.
        tables: Those of the leaderboard.
        models: Selection, content digest of the weights, and score in percent of full data if that is known.
    """
    models = list(models)
    parents = {(key.method, key.budget_text): key for key, _, _ in models}
    records = [
        _method_record(dataset, key).model_copy(
            update={"metrics": _metrics_of(tables, method=method, budget=budget)},
        )
        for (method, budget), key in parents.items()
    ]
    for key, digest, rel_percent in models:
        own = {} if rel_percent is None else {"rel_percent": rel_percent}
        if "benchmark_seeds" in tables:
            rows = tables["benchmark_seeds"].filter(method=key.method, budget=key.budget_text, seed=key.seed)
            own |= {_benchmark_metric(name): score for name, score in rows.select("benchmark", "headline").iter_rows()}
        run = model_run_key(dataset, key, digest)
        parent = _parent_key(dataset, key)
        records.append(RunRecord(key=run, experiment=dataset, name=f"train {key}", metrics=own, parent=parent))
    return records


def _metrics_of(tables: Mapping[str, pl.DataFrame], *, method: str, budget: str) -> dict[str, float]:
    """What the tables say of a method at a budget, means over its seeds; without what is not known."""
    named: list[tuple[str, object]] = []
    for table, prefix, columns in (
        ("leaderboard", "", ("score", "rel_percent", "vs_random")),
        ("benchmark_overall", "benchmarks/", ("rel", "vs_random", "wins", "ties", "losses")),
        ("costs", "cost/", _HOURS),
    ):
        rows = tables[table].filter(method=method, budget=budget) if table in tables else pl.DataFrame()
        for row in rows.iter_rows(named=True):
            named += [(f"{prefix}{name}", row[name]) for name in columns]
    if "benchmark_selections" in tables:
        for row in tables["benchmark_selections"].filter(method=method, budget=budget).iter_rows(named=True):
            name = _benchmark_metric(row["benchmark"])
            named += [(name, row["headline"]), (f"{name}/rel", row["rel"]), (f"{name}/vs_random", row["vs_random"])]
    return {name: float(value) for name, value in named if isinstance(value, int | float)}


def _benchmark_metric(benchmark: str) -> str:
    return f"benchmark/{_metric_name(benchmark)}"


def _method_record(dataset: str, key: SelectionKey) -> RunRecord:
    return RunRecord(
        key=_parent_key(dataset, key),
        experiment=dataset,
        name=f"{key.method} at {key.budget_text}",
        params={"method": key.method, "budget": str(key.budget)},
        tags={"xmas.kind": "method"},
    )


def _parent_key(dataset: str, key: SelectionKey) -> str:
    return combine("method", dataset, key.method, key.budget_text)


def outside_record(dataset: str, key: SelectionKey, tables: StoredTables) -> RunRecord:
    """The same model's run, with what lmms-eval printed of it, under names of their own, and by which version."""
    tasks = tables["tasks"].frame()
    metrics = {
        _metric_name(f"lmms_eval/{row['task']}/{row['metric']}{_chain(row['filter'])}"): row["value"]
        for row in tables["aggregates"].frame().iter_rows(named=True)
    }
    facts = {
        f"lmms_eval.{row['task']}": f"lmms-eval {row['lmms_eval']}, version {row['task_version']}, hash "
        f"{row['task_hash']}, {row['model']} with {row['model_args']}"
        for row in tasks.iter_rows(named=True)
    }
    return RunRecord(
        key=model_run_key(dataset, key, tasks["target"][0]),
        experiment=dataset,
        name=f"train {key}",
        metrics=metrics,
        tags=facts,
    )


def model_run_key(dataset: str, key: SelectionKey, digest: str) -> str:
    """Identity of a trained model's run: the selection and the weights that came out."""
    return combine("model", dataset, str(key), digest)


def _key_params(key: SelectionKey) -> dict[str, str]:
    return {"method": key.method, "budget": str(key.budget), "seed": str(key.seed)}


def _flat(prefix: str, settings: Section) -> dict[str, str]:
    return {f"{prefix}.{name}": str(value) for name, value in settings.model_dump(mode="json").items()}


def _tags(context: dg.AssetExecutionContext, kind: str, note: str) -> dict[str, str]:
    """Where the run came from; and its description, which the MLflow UI shows with links that can be clicked."""
    asset, partition, run = context.asset_key.to_user_string(), context.partition_key, context.run.run_id
    tags = {"xmas.kind": kind, "dagster.run": run, "dagster.partition": partition, "dagster.asset": asset}
    tags |= _source(context)
    page = dagster_run(run)
    links = f"[{asset}]({dagster_asset(asset, partition)}), [run {run[:8]}]({page})"
    return tags | {"dagster.url": page, "mlflow.note.content": f"{note} In Dagster: {links}."}


def _source(context: dg.AssetExecutionContext) -> dict[str, str]:
    """What the column Source of the run list shows; MLflow would cut a whole command at its last dot."""
    command = Command.of(context.run.tags)
    return {"mlflow.source.name": command.program if command else "Dagster", "mlflow.source.type": "LOCAL"}


def _times(context: dg.AssetExecutionContext) -> tuple[float, float]:
    """When the asset's work began and ended: now, and before that as long as it took by the clock."""
    used = context.resources.home.costs.of(context.partition_key, context.asset_key.to_user_string())
    ended = time.time()
    return ended - ((used and used.wall_seconds) or 0.0), ended


def _metric_name(task: str) -> str:
    """A task as MLflow allows it in a metric's name."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in task)[:200]


def _chain(name: str) -> str:
    """The filter of a metric of lmms-eval, behind the metric's name; "none" is what it calls having none."""
    return "" if name == "none" else f" {name}"
