"""Asset ``tags``: what each row asks for, in short words."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.seen_models import note_model
from xmas_assets.home.stored_tables import StoredTables, stage
from xmas_assets.report.describe_signals import describe_tags
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar
from xmas_assets.stages.annotations import tags_of_rows


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["tags"], SETTINGS["base_model"]],
    group_name="signals",
    kinds={"parquet"},
    owners=OWNERS,
    code_version="1",
)
def tags(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], raw_dataset: StoredTables, base_model: StoredTables
) -> dg.Output:
    """Tags of every row, from a column, a local model or an endpoint (InsTag); answers are kept as they come."""
    from xmas_assets.annotation.tags import check_tag_source

    dataset = context.partition_key
    check_tag_source(home.settings(dataset).tags)
    note_model(home, dataset, "tags")
    with home.stage("tags", dataset, key=raw_dataset.version) as workspace:
        frame, notices = tags_of_rows(
            home, dataset, raw_dataset, base_model, workspace=workspace, progress=ProgressBar("tags", context.log)
        )
        staged = stage(workspace, {"tags": frame})
    return emit(home, staged, describe_tags(staged["tags"], notices=notices))
