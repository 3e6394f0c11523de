"""Assets of a forward pass over the data: those that are asked for together are read in one pass."""

from collections.abc import Iterator

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, read_checkpoints
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import Meter
from xmas_assets.stages.signals import describe_staged, pass_shares, stage_signals

_HELD = {
    "attention_trajectories": "Leading singular values of the cross-modal attention: float32 (n_samples, "
    "n_checkpoints, n_values).",
    "attention_maps": "Where in its image each row's text looks, at every checkpoint: float32 (n_samples, "
    "n_checkpoints, n_dimensions); NaN without an image.",
    "block_activations": "Mean outputs of some attention blocks at the last checkpoint, squashed by tanh: float32 "
    "(n_samples, n_layers, 2, width), image part, then text part.",
    "features": "Mean of each row's last hidden states at the last checkpoint: float32 (n_samples, width).",
    "token_spectra": "Entropy and leading share of the singular values of each row's token features at the last "
    "checkpoint, and the last token's features, float32 (n_samples, width).",
    "attended_features": "Mean features of the image tokens that the instruction attends to, at the last checkpoint: "
    "float32 (n_samples, width); NaN without an image.",
    "answer_scores": "Loss, perplexity, EL2N, AUM and IFD of each row's answer tokens at the last checkpoint.",
}
"""What each asset holds, by name."""

_CODE_VERSIONS = dict.fromkeys(_HELD, "2") | {"attention_trajectories": "3"}

_SECTIONS = {"attention_trajectories": "trajectories"}
"""Settings that concern one signal alone, where they are not named like it."""


def _made_from(name: str) -> set[dg.AssetKey]:
    """Only a signal's own settings are among these, so that a changed one makes no other signal stale.

    How a pass is cut into batches and shards, which ``settings/trajectories`` says too, changes no value.
    """
    section = _SECTIONS.get(name, name)
    own = {SETTINGS[section].key} if section in SETTINGS else set()
    return {*map(dg.AssetKey, ("raw_dataset", "base_model", "proxy_checkpoints")), SETTINGS["base_model"].key, *own}


@dg.multi_asset(
    outs={
        name: dg.AssetOut(
            description=description,
            group_name="signals",
            kinds={"pytorch", "parquet"},
            owners=OWNERS,
            code_version=_CODE_VERSIONS[name],
            is_required=False,
        )
        for name, description in _HELD.items()
    },
    internal_asset_deps={name: _made_from(name) for name in _HELD},
    deps=sorted({key for name in _HELD for key in _made_from(name) if key.path[0] == "settings"}),
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
            progress=Meter("signals", context.log).shards,
        )
        staged = stage_signals(workspaces, extracted)
    for name, tables in staged.items():
        yield emit(tables, describe_staged(tables, raw_dataset, notices=extracted[name].notices), output_name=name)
