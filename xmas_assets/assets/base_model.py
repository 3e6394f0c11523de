"""Assets ``base_model`` and ``target_base``: the vision-language models that a dataset's training runs start from."""

import dagster as dg
import polars as pl

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.contracts.settings import BaseModelSettings
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
    return _found(context, home, "base_model", home.settings(context.partition_key).base_model)


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["target_base"]],
    group_name="models",
    kinds={"pytorch", "huggingface"},
    owners=OWNERS,
    code_version="1",
)
def target_base(context: dg.AssetExecutionContext, home: Home) -> dg.Output:
    """The same for targets, which may be larger than the proxy: ``base_model``'s unless another is named."""
    return _found(context, home, "target_base", home.settings(context.partition_key).target_base)


def _found(context: dg.AssetExecutionContext, home: Home, asset: str, settings: BaseModelSettings) -> dg.Output:
    from xmas_assets.vlm.finding import resolve_base
    from xmas_assets.vlm.loading import model_digest

    with home.stage(asset, context.partition_key, key=settings.digest()) as workspace:
        directory = resolve_base(settings, section=asset)
        digest = model_digest(directory)
        # The settings too: another precision or longest sample makes what is trained and read from it stale.
        model = pl.DataFrame({"directory": [str(directory)], "digest": [digest], "settings": [settings.digest()]})
        staged = stage(workspace, {"model": model})
    return emit(staged, {"directory": directory, "digest": digest, "source": settings.source})
