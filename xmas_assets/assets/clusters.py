"""Asset ``clusters``: samples whose attention develops alike, and how stable each one is."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, read_sums, stage
from xmas_assets.report.describe import describe_clusters
from xmas_assets.resources.outputs import emit
from xmas_assets.selection.grouping import drift, group_trajectories


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["clusters"]],
    group_name="selection",
    kinds={"faiss", "parquet"},
    owners=OWNERS,
    code_version="2",
)
def clusters(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    raw_dataset: StoredTables,
    attention_trajectories: StoredTables,
) -> dg.Output:
    """k-means label, instability and stability rank of every row with an image; and the centroids."""
    dataset = context.partition_key
    settings, registration = home.settings(dataset).clusters, home.registration(dataset)
    trajectories = read_sums(attention_trajectories)
    key = combine(attention_trajectories.version, settings.digest(), *map(str, registration.grown[:1]))
    with home.stage("clusters", dataset, key=key) as workspace:
        staged = stage(workspace, group_trajectories(trajectories, settings, n_first=registration.n_first))
    labels = staged["clusters"].column("label")
    described = describe_clusters(labels, trajectories, raw_dataset["samples"], home.open_image(dataset))
    centroids = staged["centroids"].column("centroid")
    return emit(home, staged, described | drift(trajectories, labels, centroids, n_first=registration.n_first))
