"""Assets of a forward pass over the data: those that are asked for together are read in one pass."""

from collections.abc import Iterator

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.contracts.signals import READ_IN_ONE_PASS, SIGNAL_ASSETS, describe
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import listen
from xmas_assets.scale.engine_of import engine_of
from xmas_assets.stages.row_work import signal_work
from xmas_assets.stages.signals import describe_staged, stage_signals


def _made_from(asset: str) -> set[dg.AssetKey]:
    """Only a signal's own settings are among these, so that a changed one makes no other signal stale.

    How a pass is cut into batches and shards, which ``settings/trajectories`` says too, changes no value.
    """
    row = SIGNAL_ASSETS[asset]
    sections = ["base_model", row.settings] if row.settings else ["base_model"]
    inputs = ("raw_dataset", "base_model", *row.made_from)
    return {*map(dg.AssetKey, inputs), *(SETTINGS[section].key for section in sections)}


@dg.multi_asset(
    outs={
        asset: dg.AssetOut(
            description="\n".join(f"- `{name}`: {describe(name)}." for name in SIGNAL_ASSETS[asset].signals),
            group_name="signals",
            kinds={"pytorch", "parquet"},
            owners=OWNERS,
            code_version=SIGNAL_ASSETS[asset].code_version,
            is_required=False,
        )
        for asset in READ_IN_ONE_PASS
    },
    internal_asset_deps={asset: _made_from(asset) for asset in READ_IN_ONE_PASS},
    deps=sorted({key for asset in READ_IN_ONE_PASS for key in _made_from(asset) if key.path[0] == "settings"}),
    partitions_def=DATASETS,
    can_subset=True,
)
def signals(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    raw_dataset: StoredTables,
    base_model: StoredTables,
    proxy_checkpoints: StoredTables,
) -> Iterator[dg.Output]:
    """Read the wanted signals off the proxy's checkpoints: each image decoded and seen once for all of them."""
    dataset = context.partition_key
    wanted = [key.to_user_string() for key in context.selected_asset_keys]
    work = signal_work(home, dataset, wanted, raw_dataset, base_model, proxy_checkpoints)
    with home.stages(work.shares, dataset, work.key):
        folders, extracted = work.make(engine_of(home.settings(dataset).workers), listen(context.log))
        staged = stage_signals(folders, extracted)
    yield from (
        emit(home, tables, describe_staged(tables, raw_dataset, notices=extracted[name].notices), output_name=name)
        for name, tables in staged.items()
    )
