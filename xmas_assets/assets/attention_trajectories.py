"""Asset ``attention_trajectories``: how strongly each example's text looks at its image, checkpoint by checkpoint."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.resources.home import Home
from xmas_assets.resources.progress import Meter
from xmas_assets.resources.stored import (
    StoredTables,
    combine,
    emit,
    read_base,
    read_checkpoints,
    read_trajectories,
    stage_trajectories,
)


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["trajectories"]],
    group_name="signals",
    kinds={"pytorch", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def attention_trajectories(
    context: dg.AssetExecutionContext,
    home: Home,
    raw_dataset: StoredTables,
    base_model: StoredTables,
    proxy_checkpoints: StoredTables,
) -> dg.Output:
    """Leading singular values of the cross-modal attention: float32 (n_samples, n_checkpoints, n_values)."""
    from xmas_assets.extraction.trajectories import extract_trajectories
    from xmas_assets.report.describe import describe_trajectories

    dataset = context.partition_key
    settings = home.settings(dataset)
    key = combine(raw_dataset.version, proxy_checkpoints.version, settings.trajectories.digest())
    with home.stage("attention_trajectories", dataset, key=key) as workspace:
        extracted = extract_trajectories(
            samples=home.samples(raw_dataset),
            open_image=home.open_image(dataset),
            checkpoints=read_checkpoints(proxy_checkpoints["checkpoints"], home.path()),
            base=read_base(base_model),
            base_settings=settings.base_model,
            settings=settings.trajectories,
            workspace=workspace,
            progress=Meter("trajectories", context.log).shards,
        )
        staged = stage_trajectories(workspace, extracted)
    return emit(staged, describe_trajectories(read_trajectories(staged), notices=extracted.notices))
