"""Asset ``warmup_checkpoints``: adapters trained on a few random rows, where the gradients of all rows are read."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, stage_checkpoints
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.pipes import ranks_of
from xmas_assets.resources.progress import ProgressBar


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["warmup"]],
    group_name="models",
    kinds={"pytorch", "transformers"},
    owners=OWNERS,
    code_version="1",
)
def warmup_checkpoints(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], raw_dataset: StoredTables, base_model: StoredTables
) -> dg.Output:
    """Ordered LoRA checkpoints, each with Adam's state and the mean learning rate of the steps that led to it."""
    from xmas_assets.report.describe import describe_training
    from xmas_assets.training.run_directory import read_record
    from xmas_assets.training.warmup import learning_rates, warm_up, warmup_rows

    dataset = context.partition_key
    settings, registration = home.settings(dataset), home.registration(dataset)
    versions = (raw_dataset.version, base_model.version, settings.base_model.digest(), settings.warmup.digest())
    key = combine(*versions, *settings.workers.ranks.identity, *map(str, registration.grown[:1]))
    rows = warmup_rows(raw_dataset["samples"].text("sample_id")[: registration.n_first], settings.warmup)
    with home.stage("warmup_checkpoints", dataset, key=key) as workspace:
        checkpoints = warm_up(
            base=read_base(base_model),
            base_settings=settings.base_model,
            samples=training_samples(raw_dataset).take(rows.tolist()),
            open_image=home.open_image(dataset),
            settings=settings.warmup,
            output=workspace / "run",
            progress=ProgressBar("warm-up", context.log, unit="step"),
            feature_folder=home.features(),
            ranks=ranks_of(settings.workers, context),
            kept=workspace.parent if registration.grown else None,
        )
        staged = stage_checkpoints(workspace, checkpoints, home.path(), learning_rate=learning_rates(checkpoints))
    return emit(home, staged, describe_training(read_record(checkpoints[0].path.parent)))
