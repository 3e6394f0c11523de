"""Asset ``proxy_checkpoints``: a small model fine-tuned on the whole dataset, and its checkpoints on the way."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.records import pictured_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, stage_checkpoints
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.pipes import ranks_of
from xmas_assets.resources.progress import ProgressBar


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["proxy"]],
    group_name="models",
    kinds={"pytorch", "transformers"},
    owners=OWNERS,
    code_version="1",
)
def proxy_checkpoints(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], raw_dataset: StoredTables, base_model: StoredTables
) -> dg.Output:
    """Ordered checkpoints of the proxy's fine-tuning on all rows (vision tower frozen); on the first, if it grew."""
    from xmas_assets.report.describe import describe_training
    from xmas_assets.training.run_directory import read_record
    from xmas_assets.training.trainer import fine_tune

    dataset = context.partition_key
    settings, registration = home.settings(dataset), home.registration(dataset)
    versions = (raw_dataset.version, base_model.version, settings.base_model.digest(), settings.proxy.digest())
    key = combine(*versions, *settings.workers.ranks.identity, *map(str, registration.grown[:1]))
    with home.stage("proxy_checkpoints", dataset, key=key) as workspace:
        checkpoints = fine_tune(
            base=read_base(base_model),
            base_settings=settings.base_model,
            samples=pictured_samples(raw_dataset)[: registration.n_first],
            open_image=home.open_image(dataset),
            settings=settings.proxy,
            seed=settings.proxy.seed,
            output=workspace / "run",
            progress=ProgressBar("proxy", context.log, unit="step"),
            feature_folder=home.features(),
            ranks=ranks_of(settings.workers, context),
            kept=workspace.parent if registration.grown else None,
        )
        staged = stage_checkpoints(workspace, checkpoints, home.path())
    return emit(home, staged, describe_training(read_record(checkpoints[0].path.parent)))
