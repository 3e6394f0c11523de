"""What each stage records in MLflow: one run per selection and one per trained model, linked to Dagster and back."""

from collections.abc import Iterable, Mapping

import dagster as dg
import polars as pl

from xmas_assets.contracts.artifacts import Checkpoint, SelectionKey, TrainingRecord, parse_partition
from xmas_assets.contracts.settings import Section, Settings
from xmas_assets.home.addresses import Addresses
from xmas_assets.home.stored_tables import StoredTables, combine
from xmas_assets.resources.tracking import RunRecord
from xmas_assets.stages.subsets import Subset


def selection_record(
    context: dg.AssetExecutionContext, subset: Subset, staged: StoredTables, *, pictures: Mapping[str, bytes]
) -> RunRecord:
    """The run of a selection: its parameters, what it was made from, its manifest (which holds the rows), pictures."""
    manifest = subset.manifest
    note = f"{manifest.n_selected:,} of {manifest.n_samples:,} rows of `{subset.dataset}`, chosen as `{subset.key}`."
    parameters = {f"method.{name}": str(value) for name, value in manifest.parameters.items()}
    return RunRecord(
        key=combine("selection", subset.dataset, str(subset.key), staged.version),
        experiment=subset.dataset,
        name=f"select {subset.key}",
        params=_key_params(subset.key) | parameters,
        tags=_tags(context, "selection", note) | {f"upstream.{name}": v for name, v in manifest.upstream.items()},
        metrics={"n_selected": manifest.n_selected, "n_samples": manifest.n_samples},
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
        curves={"loss": record.losses},
        inputs={f"{dataset}.{key.method}": upstream["selected_subset"]},
        artifacts={"model": [trained.path]},
        model="model",
        alias=str(key).replace(".", "-"),
    )


def scores_record(context: dg.AssetExecutionContext, *, answers: pl.DataFrame, trained: Checkpoint) -> RunRecord:
    """The same model's run, with its score on every task."""
    dataset, key = parse_partition(context.partition_key)
    by_task = (
        answers.group_by(pl.col("task").fill_null("all"), maintain_order=True)
        .agg(pl.col("score").mean())
        .sort("task", maintain_order=True)
    )
    metrics = {f"score/{_metric_name(task)}": score for task, score in by_task.iter_rows()}
    return RunRecord(
        key=model_run_key(dataset, key, trained.digest),
        experiment=dataset,
        name=f"train {key}",
        metrics=metrics | {"score": float(by_task["score"].mean())},  # pyright: ignore[reportArgumentType]
        tags={"dagster.scores_run": context.run.run_id},
    )


def rel_records(dataset: str, models: Iterable[tuple[SelectionKey, str, float]]) -> list[RunRecord]:
    """The same models' runs, each with its score in percent of full data; by selection and content digest."""
    return [
        RunRecord(
            key=model_run_key(dataset, key, digest),
            experiment=dataset,
            name=f"train {key}",
            metrics={"rel_percent": rel_percent},
        )
        for key, digest, rel_percent in models
    ]


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
    addresses = Addresses.read(context.resources.home)
    if addresses is None:
        return tags | {"mlflow.note.content": f"{note} In Dagster (xmas ui): asset {asset}, run {run[:8]}."}
    page = addresses.dagster_run(run)
    links = f"[{asset}]({addresses.dagster_asset(asset, partition)}), [run {run[:8]}]({page})"
    return tags | {"dagster.url": page, "mlflow.note.content": f"{note} In Dagster: {links}."}


def _metric_name(task: str) -> str:
    """A task as MLflow allows it in a metric's name."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in task)[:200]
