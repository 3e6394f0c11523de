"""Asset ``quality_indicators``: what a row's quality is judged by, and the means of the rated subsets."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, stage
from xmas_assets.report.describe_signals import describe_signal
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar
from xmas_assets.stages.annotations import quality_tables


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["quality"]],
    group_name="signals",
    kinds={"numpy", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def quality_indicators(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    raw_dataset: StoredTables,
    text_lengths: StoredTables,
    clip_embeddings: StoredTables,
    quality_ratings: StoredTables,
) -> dg.Output:
    """CLIP score, answer length and, where an endpoint is set, a judge's score (InstructionGPT-4): (n_indicators,)."""
    dataset = context.partition_key
    made_from = raw_dataset, text_lengths, clip_embeddings, quality_ratings
    with home.stage("quality_indicators", dataset, key=raw_dataset.version) as workspace:
        tables, notices = quality_tables(
            home, dataset, *made_from, workspace=workspace, progress=ProgressBar("judge", context.log)
        )
        staged = stage(workspace, tables)
    has_image = raw_dataset["samples"].column("n_images") > 0
    described = describe_signal(staged["quality_indicators"], has_image=has_image, notices=notices)
    return emit(home, staged, described)
