"""Asset ``quality_ratings``: a few subsets, and the quality that models trained on them reached."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, stage
from xmas_assets.report.describe_signals import describe_ratings
from xmas_assets.resources.outputs import emit


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["quality"]],
    group_name="signals",
    kinds={"csv", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def quality_ratings(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    raw_dataset: StoredTables,
) -> dg.Output:
    """Rated subsets out of your CSV file (setting quality.ratings): name, rating, and the dataset's rows."""
    from xmas_assets.annotation.quality import rating_table, read_ratings

    dataset = context.partition_key
    settings = home.settings(dataset).quality
    frame = rating_table(read_ratings(settings), raw_dataset["samples"].column("sample_id").tolist())
    with home.stage("quality_ratings", dataset, key=combine(raw_dataset.version, settings.digest())) as workspace:
        staged = stage(workspace, {"quality_ratings": frame})
    return emit(home, staged, describe_ratings(frame))
