"""Asset ``target_model``: the model fine-tuned on a selected subset."""

import dagster as dg

from xmas_assets.assets.partitions import OWNERS, SELECTIONS, SETTINGS
from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, stage_checkpoints
from xmas_assets.resources.lineage import model_record, runs_above
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.pipes import ranks_of
from xmas_assets.resources.progress import ProgressBar
from xmas_assets.resources.tracking import Tracking


@dg.asset(
    partitions_def=SELECTIONS,
    deps=[SETTINGS["target"]],
    group_name="models",
    kinds={"pytorch", "transformers", "mlflow"},
    owners=OWNERS,
    code_version="1",
)
def target_model(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    tracking: Tracking,
    raw_dataset: StoredTables,
    target_base: StoredTables,
    selected_subset: StoredTables,
) -> dg.Output:
    """The targets' base model fine-tuned on the subset's rows; the selection's seed is the training seed too."""
    from xmas_assets.report.describe import describe_training
    from xmas_assets.training.run_directory import read_record
    from xmas_assets.training.trainer import fine_tune

    dataset, key = parse_partition(context.partition_key)
    settings = home.settings(dataset)
    upstream = {
        "raw_dataset": raw_dataset.version,
        "target_base": target_base.version,
        "selected_subset": selected_subset.version,
    }
    decides = (settings.target_base.digest(), settings.target.digest(), str(key.seed), *settings.workers.ranks.identity)
    with home.stage("target_model", context.partition_key, key=combine(*upstream.values(), *decides)) as workspace:
        checkpoints = fine_tune(
            base=read_base(target_base),
            base_settings=settings.target_base,
            samples=training_samples(raw_dataset).take(selected_subset["subset"].column("row").tolist()),
            open_image=home.open_image(dataset),
            settings=settings.target,
            seed=key.seed,
            output=workspace / "run",
            progress=ProgressBar("target", context.log, unit="step"),
            feature_folder=home.features(),
            ranks=ranks_of(settings.workers, context),
        )
        staged = stage_checkpoints(workspace, checkpoints, home.path())
    record = read_record(workspace / "run")
    run = model_record(context, upstream=upstream, trained=checkpoints[-1], record=record, settings=settings)
    link = tracking.record(run, log=context.log.warning, above=runs_above(context))
    return emit(home, staged, describe_training(record) | link)
