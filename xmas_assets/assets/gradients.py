"""Assets ``gradients``, ``adam_gradients``, ``validation_gradients``: how single rows would move the LoRA weights."""

from typing import TYPE_CHECKING

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import listen
from xmas_assets.scale.engine_of import engine_of
from xmas_assets.stages.gradient_tables import (
    read_norms,
    stage_adam_gradients,
    stage_gradients,
    stage_validation_gradients,
)
from xmas_assets.stages.row_work import gradient_work

if TYPE_CHECKING:
    from xmas_assets.extraction.gradients import Gradients


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
    work = gradient_work(home, context.partition_key, "gradients", raw_dataset, base_model, warmup_checkpoints)
    with home.stage("gradients", context.partition_key, key=work.key) as workspace:
        extracted = work.make(engine_of(home.settings(context.partition_key).workers), listen(context.log))
        staged = stage_gradients(workspace, extracted)
    return emit(home, staged, _describe(extracted))


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
    work = gradient_work(home, context.partition_key, "adam_gradients", raw_dataset, base_model, warmup_checkpoints)
    with home.stage("adam_gradients", context.partition_key, key=work.key) as workspace:
        extracted = work.make(engine_of(home.settings(context.partition_key).workers), listen(context.log))
        staged = stage_adam_gradients(workspace, extracted)
    return emit(home, staged, _describe(extracted))


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
    work = gradient_work(
        home, context.partition_key, "validation_gradients", validation_samples, base_model, warmup_checkpoints
    )
    with home.stage("validation_gradients", context.partition_key, key=work.key) as workspace:
        extracted = work.make(engine_of(home.settings(context.partition_key).workers), listen(context.log))
        staged = stage_validation_gradients(workspace, extracted, validation_samples["samples"])
    return emit(home, staged, _describe(extracted))


def _describe(extracted: "Gradients") -> dict[str, object]:
    from xmas_assets.report.describe_signals import describe_gradients

    return describe_gradients(read_norms(extracted), notices=extracted.notices)
