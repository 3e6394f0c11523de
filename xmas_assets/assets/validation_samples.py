"""Asset ``validation_samples``: the records of the target tasks that less and icons select for."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets.report.describe import describe_dataset
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar, listen
from xmas_assets.scale.engine_of import engine_of
from xmas_assets.stages.datasets import stage_dataset


@dg.asset(
    partitions_def=DATASETS,
    deps=["raw_dataset", SETTINGS["validation"]],
    group_name="data",
    kinds={"parquet", "polars"},
    owners=OWNERS,
    code_version="1",
)
def validation_samples(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.Output:
    """Validated records apart from training and test, each with its target task, and a quarantine table."""
    dataset = context.partition_key
    with home.stage("validation_samples", dataset, key=current_versions(home, dataset)["validation"]) as workspace:
        staged = stage_dataset(
            workspace,
            home,
            dataset,
            section="validation",
            progress=ProgressBar("read", context.log),
            engine=engine_of(home.settings(dataset).workers),
            listen=listen(context.log),
        )
    return emit(home, staged, describe_dataset(staged, home.open_image(dataset)))
