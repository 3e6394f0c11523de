"""Assets ``gradients``, ``adam_gradients``, ``validation_gradients``: how single rows would move the LoRA weights."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, read_checkpoints
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar
from xmas_assets.stages.gradient_tables import (
    read_norms,
    stage_adam_gradients,
    stage_gradients,
    stage_validation_gradients,
)

if TYPE_CHECKING:
    from xmas_assets.extraction.gradients import Direction, Gradients


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["gradients"]],
    group_name="signals",
    kinds={"pytorch", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def gradients(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    raw_dataset: StoredTables,
    base_model: StoredTables,
    warmup_checkpoints: StoredTables,
) -> dg.Output:
    """Projected LoRA gradients at the last checkpoint, float32 (n_samples, n_projected), and their norms."""
    key = _key(context, home, raw_dataset, warmup_checkpoints)
    with home.stage("gradients", context.partition_key, key=key) as workspace:
        extracted = _extract(context, home, raw_dataset, base_model, warmup_checkpoints, "last_gradient", workspace)
        staged = stage_gradients(workspace, extracted)
    return emit(staged, _describe(extracted))


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["gradients"]],
    group_name="signals",
    kinds={"pytorch", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def adam_gradients(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    raw_dataset: StoredTables,
    base_model: StoredTables,
    warmup_checkpoints: StoredTables,
) -> dg.Output:
    """Projected LoRA gradients, preconditioned as Adam would: float32 (n_samples, n_checkpoints, n_projected)."""
    key = _key(context, home, raw_dataset, warmup_checkpoints)
    with home.stage("adam_gradients", context.partition_key, key=key) as workspace:
        extracted = _extract(context, home, raw_dataset, base_model, warmup_checkpoints, "adam", workspace)
        staged = stage_adam_gradients(workspace, extracted)
    return emit(staged, _describe(extracted))


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["gradients"]],
    group_name="signals",
    kinds={"pytorch", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def validation_gradients(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    validation_samples: StoredTables,
    base_model: StoredTables,
    warmup_checkpoints: StoredTables,
) -> dg.Output:
    """Mean of the unit projected LoRA gradients per task: float32 (n_tasks, n_checkpoints, n_projected)."""
    key = _key(context, home, validation_samples, warmup_checkpoints)
    with home.stage("validation_gradients", context.partition_key, key=key) as workspace:
        extracted = _extract(context, home, validation_samples, base_model, warmup_checkpoints, "gradient", workspace)
        staged = stage_validation_gradients(workspace, extracted, validation_samples["samples"])
    return emit(staged, _describe(extracted))


def _key(context: dg.AssetExecutionContext, home: Home, samples: StoredTables, warmup_checkpoints: StoredTables) -> str:
    settings = home.settings(context.partition_key).gradients
    return combine(samples.version, warmup_checkpoints.version, settings.digest())


def _extract(
    context: dg.AssetExecutionContext,
    home: Home,
    samples: StoredTables,
    base_model: StoredTables,
    warmup_checkpoints: StoredTables,
    direction: "Direction",
    workspace: Path,
) -> "Gradients":
    from xmas_assets.extraction.gradients import extract_gradients

    settings = home.settings(context.partition_key)
    return extract_gradients(
        samples=training_samples(samples),
        open_image=home.open_image(context.partition_key),
        checkpoints=read_checkpoints(warmup_checkpoints["checkpoints"], home.path()),
        base=read_base(base_model),
        base_settings=settings.base_model,
        settings=settings.gradients,
        direction=direction,
        workspace=workspace,
        progress=ProgressBar("gradients", context.log),
    )


def _describe(extracted: "Gradients") -> dict[str, object]:
    from xmas_assets.report.describe_signals import describe_gradients

    return describe_gradients(read_norms(extracted), notices=extracted.notices)
