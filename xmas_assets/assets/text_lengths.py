"""Asset ``text_lengths``: how many tokens the answers of each row have."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, stage
from xmas_assets.report.describe_signals import describe_lengths
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar


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
    from xmas_assets.extraction.lengths import measure_lengths

    dataset = context.partition_key
    with home.stage("text_lengths", dataset, key=combine(raw_dataset.version, base_model.version)) as workspace:
        table = measure_lengths(
            training_samples(raw_dataset),
            base=read_base(base_model),
            workspace=workspace / "shards",
            progress=ProgressBar("lengths", context.log),
        )
        staged = stage(workspace, table.named("text_lengths"), schemas={"text_lengths": table.schema})
    return emit(staged, describe_lengths(staged["text_lengths"].column("n_answer_tokens")))
