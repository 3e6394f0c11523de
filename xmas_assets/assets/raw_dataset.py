"""Asset ``raw_dataset``: the user's records, validated, with a reason for every one refused."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets.report.describe import describe_dataset
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar, listen
from xmas_assets.scale.engine_of import engine_of
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets.stages.growth import note_growth


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["source"]],
    group_name="data",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version="2",
)
def raw_dataset(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.Output:
    """Validated samples with unique stable ids, the test questions, and a quarantine table with reason codes."""
    dataset = context.partition_key
    key = current_versions(home, dataset)["source"]
    with home.stage("raw_dataset", dataset, key=key) as workspace:
        staged = stage_dataset(
            workspace,
            home,
            dataset,
            progress=ProgressBar("read", context.log),
            engine=engine_of(home.settings(dataset).workers),
            listen=listen(context.log),
        )
        note_growth(home, dataset, staged)
    return emit(home, staged, describe_dataset(staged, home.open_image(dataset)))
