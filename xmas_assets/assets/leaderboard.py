"""Asset ``leaderboard``: what every method reaches at every budget, with intervals and cost, and the report."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, stage
from xmas_assets.report.describe import describe_leaderboard
from xmas_assets.resources.lineage import comparison_records
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.tracking import Tracking
from xmas_assets.stages.comparison import COMPARED
from xmas_assets.stages.contamination import CONTAMINATION
from xmas_assets.stages.publishing import publish


@dg.asset(
    partitions_def=DATASETS,
    group_name="evaluation",
    kinds={"polars", "parquet"},
    owners=OWNERS,
    code_version="2",
)
def leaderboard(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    tracking: Tracking,
    raw_dataset: StoredTables,
    benchmark_scores: dict[str, StoredTables],
) -> dg.Output:
    """Score, Rel%, difference from random and cost per method and budget; and ``report.html``."""
    key = combine(raw_dataset.version, *(scores.version for scores in benchmark_scores.values()))
    with home.stage("leaderboard", context.partition_key, key=key) as workspace:
        published = publish(home, context.partition_key, raw_dataset, benchmark_scores)
        staged = stage(workspace, published.tables)
    tables = published.tables
    records = comparison_records(context.partition_key, tables, published.scored_models)
    tracking.record_all(records, log=context.log.warning)
    described = describe_leaderboard(
        tables["leaderboard"],
        tables["per_task"],
        notes=published.notes,
        contamination=tables.get(CONTAMINATION),
        compared={name: tables[name] for name in COMPARED if name in tables},
    )
    return emit(home, staged, described | {"report": published.report})
