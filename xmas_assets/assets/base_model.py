"""Assets ``base_model`` and ``target_base``: the vision-language models that a dataset's training runs start from."""

from pathlib import Path

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.seen_models import note_model
from xmas_assets.home.stored_tables import stage
from xmas_assets.resources.outputs import emit
from xmas_assets.stages.base_models import base_table


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["base_model"]],
    group_name="models",
    kinds={"pytorch", "huggingface"},
    owners=OWNERS,
    code_version="1",
)
def base_model(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.Output:
    """A resolved, revision-pinned model directory: safetensors, tokenizer, processor and chat template."""
    return _found(context, home, "base_model")


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["target_base"]],
    group_name="models",
    kinds={"pytorch", "huggingface"},
    owners=OWNERS,
    code_version="1",
)
def target_base(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.Output:
    """The same for targets, which may be larger than the proxy: ``base_model``'s unless another is named."""
    from xmas_assets.vlm.devices import check_device

    # Here, because targets are trained last.
    check_device(home.settings(context.partition_key).target_base.device, section="target_base")
    return _found(context, home, "target_base")


def _found(context: dg.AssetExecutionContext, home: Home, asset: str) -> dg.Output:
    chosen = home.settings(context.partition_key)
    settings, training = {
        "base_model": (chosen.base_model, chosen.proxy),
        "target_base": (chosen.target_base, chosen.target),
    }[asset]
    note_model(home, context.partition_key, asset)
    with home.stage(asset, context.partition_key, key=settings.digest()) as workspace:
        model = base_table(settings, training, section=asset)
        staged = stage(workspace, {"model": model})
    found = {"directory": Path(model["directory"][0]), "digest": model["digest"][0]}
    return emit(home, staged, found | {"source": settings.source})
