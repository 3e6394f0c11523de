"""Asset ``attention_gradient_agreement``: do rows whose attention is alike have alike gradients, on this dataset?"""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine, stage
from xmas_assets.report.agreement import describe_agreement
from xmas_assets.resources.outputs import emit
from xmas_assets.stages.agreement import agreement_table, sample_pairs


@dg.asset(
    partitions_def=DATASETS,
    group_name="evaluation",
    kinds={"scipy", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def attention_gradient_agreement(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    raw_dataset: StoredTables,
    attention_trajectories: StoredTables,
    attention_maps: StoredTables,
    gradients: StoredTables,
) -> dg.Output:
    """Rank correlation of attention and gradient distances over pairs, and how well attention finds equal gradients.

    Attention is the proxy's over its training, gradients are those of the warm-up's last checkpoint.
    """
    signals = (raw_dataset, attention_trajectories, attention_maps, gradients)
    key = combine(*(tables.version for tables in signals))
    with home.stage("attention_gradient_agreement", context.partition_key, key=key) as workspace:
        pairs = sample_pairs(*signals)
        staged = stage(workspace, {"agreement": agreement_table(pairs)})
    table = staged["agreement"].frame()
    described = describe_agreement(table, pairs.attention, pairs.gradient["direction"], n_without=pairs.n_without)
    return emit(home, staged, described)
