"""Asset ``selected_subset``: the rows a method keeps at a budget and seed, with the manifest to replay it."""

import dagster as dg

from xmas_assets.assets.partitions import AVAILABLE, OWNERS, SELECTIONS, SETTINGS
from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import combine
from xmas_assets.home.versions import kept_growth
from xmas_assets.report.describe import describe_subset, subset_pictures
from xmas_assets.resources.lineage import runs_above, selection_record
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.preparation import Preparation
from xmas_assets.resources.tracking import Tracking
from xmas_assets.stages.contamination import excluded_rows
from xmas_assets.stages.subsets import choose_subset, resolve_method, stage_subset


@dg.asset(
    partitions_def=SELECTIONS,
    deps=[AVAILABLE, SETTINGS["methods"]],
    group_name="selection",
    kinds={"numpy", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def selected_subset(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], tracking: Tracking, preparation: Preparation
) -> dg.Output:
    """Rows of the dataset, ascending and unique, exactly as many as the budget buys; and their manifest."""
    dataset, key = parse_partition(context.partition_key)
    methods = home.settings(dataset).methods
    method = resolve_method(key, methods)
    preparation.make_ready(context, dataset, method.name)
    raw_dataset = home.stored("raw_dataset", dataset)
    excluded = excluded_rows(home, dataset)
    rule = [excluded.rule.model_dump_json()] if excluded.rule else []
    made_from = combine(raw_dataset.version, methods.digest(), *rule, *map(str, kept_growth(home, dataset)))
    with home.stage("selected_subset", context.partition_key, key=made_from) as workspace:
        subset = choose_subset(home, dataset, key, excluded=excluded)
        staged = stage_subset(workspace, subset)
    rows, samples = staged["subset"].column("row"), raw_dataset["samples"]
    pictures = subset_pictures(rows, samples, home.open_image(dataset))
    run = selection_record(context, subset, staged, pictures=pictures)
    link = tracking.record(run, log=context.log.warning, above=runs_above(context))
    described = describe_subset(rows, samples, pictures, excluded=excluded.rule, n_unread=subset.n_unread)
    return emit(home, staged, described | link)
