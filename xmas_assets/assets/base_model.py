"""Asset ``base_model``: the vision-language model that every training run of a dataset starts from."""

import dagster as dg
import polars as pl

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.resources.home import Home
from xmas_assets.resources.stored import emit, stage


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["base_model"]],
    group_name="models",
    kinds={"pytorch", "huggingface"},
    owners=OWNERS,
    code_version="1",
)
def base_model(context: dg.AssetExecutionContext, home: Home) -> dg.Output:
    """A resolved, revision-pinned model directory: safetensors, tokenizer, processor and chat template."""
    from xmas_assets.vlm.finding import resolve_base
    from xmas_assets.vlm.loading import model_digest

    settings = home.settings(context.partition_key).base_model
    with home.stage("base_model", context.partition_key, key=settings.digest()) as workspace:
        directory = resolve_base(settings)
        digest = model_digest(directory)
        # The settings too: another precision or longest sample makes what is trained and read from it stale.
        model = pl.DataFrame({"directory": [str(directory)], "digest": [digest], "settings": [settings.digest()]})
        staged = stage(workspace, {"model": model})
    return emit(staged, {"directory": directory, "digest": digest, "source": settings.source})
