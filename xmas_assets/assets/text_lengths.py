"""Asset ``text_lengths``: how many tokens the answers of each row have."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, stage
from xmas_assets.report.describe_signals import describe_lengths
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import listen
from xmas_assets.scale.engine_of import engine_of
from xmas_assets.stages.row_work import length_work


@dg.asset(
    partitions_def=DATASETS,
    group_name="signals",
    kinds={"huggingface", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def text_lengths(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], raw_dataset: StoredTables, base_model: StoredTables
) -> dg.Output:
    """Answer tokens over all turns by the base model's tokenizer, end tokens included, before any cut."""
    dataset = context.partition_key
    work = length_work(home, dataset, raw_dataset, base_model)
    with home.stage("text_lengths", dataset, key=work.key) as workspace:
        table = work.make(engine_of(home.settings(dataset).workers), listen(context.log))
        staged = stage(workspace, table.named("text_lengths"), schemas={"text_lengths": table.schema})
    return emit(home, staged, describe_lengths(staged["text_lengths"].column("n_answer_tokens")))
