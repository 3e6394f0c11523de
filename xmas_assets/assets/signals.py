"""Assets of a forward pass over the data: those that are asked for together are read in one pass."""

from collections.abc import Iterator

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.contracts.signals import READ_IN_ONE_PASS, SIGNAL_ASSETS, describe
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, read_checkpoints
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar
from xmas_assets.stages.signals import describe_staged, pass_shares, stage_signals


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
    from xmas_assets.extraction.extracting import extract_signals
    from xmas_assets.extraction.signal_makers import make_signals

    dataset = context.partition_key
    settings = home.settings(dataset)
    wanted = make_signals(sorted(key.to_user_string() for key in context.selected_asset_keys), settings)
    checkpoints = read_checkpoints(proxy_checkpoints["checkpoints"], home.path())
    inputs = combine(raw_dataset.version, proxy_checkpoints.version, settings.base_model.digest())
    # Each signal's work is its own, so that one whose table a kill kept from its place is not read again.
    workspaces = {signal.name: home.workspace(signal.name, dataset, combine(inputs, repr(signal))) for signal in wanted}
    key = combine(inputs, settings.trajectories.digest(), settings.signals.digest())
    with home.stages(pass_shares(wanted, len(checkpoints)), dataset, key):
        extracted = extract_signals(
            signals=wanted,
            samples=training_samples(raw_dataset),
            open_image=home.open_image(dataset),
            checkpoints=checkpoints,
            base=read_base(base_model),
            base_settings=settings.base_model,
            settings=settings.trajectories,
            workspaces=workspaces,
            progress=ProgressBar("signals", context.log),
        )
        staged = stage_signals(workspaces, extracted)
    yield from (
        emit(tables, describe_staged(tables, raw_dataset, notices=extracted[name].notices), output_name=name)
        for name, tables in staged.items()
    )
