"""The two partition dimensions, and the external assets that stand for a dataset's files and settings.

Settings are assets, so that Dagster itself knows what a change concerns: a new value of ``settings/clusters`` makes
``clusters`` and what follows stale, and nothing before it.
"""

import inspect

import dagster as dg

from xmas_assets.contracts.settings import Settings
from xmas_assets.contracts.signals import AVAILABLE_SIGNALS, SIGNAL_ASSETS

DATASETS = dg.DynamicPartitionsDefinition(name="dataset")
SELECTIONS = dg.MultiPartitionsDefinition(
    {"dataset": DATASETS, "selection": dg.DynamicPartitionsDefinition(name="selection")}
)

_FILES = {
    "source": "The dataset's annotation files, image root and format.",
    "validation": "The dataset's validation files: records of the target tasks that less and icons select for.",
    "benchmarks": "The benchmarks that the dataset's targets are scored on, with their files and prompts.",
}
SETTINGS = {
    section: dg.AssetSpec(
        dg.AssetKey(["settings", section]),
        partitions_def=DATASETS,
        group_name="settings",
        kinds={"yaml"},
        description=f"{text} Observed from `XMAS_HOME/datasets/NAME.yaml`; edit that file to change it.",
    )
    for section, text in {
        **_FILES,
        **{name: inspect.getdoc(values) for name, values in Settings().sections().items()},
    }.items()
}
AVAILABLE = dg.AssetSpec(
    AVAILABLE_SIGNALS,
    deps=sorted(SIGNAL_ASSETS),
    partitions_def=DATASETS,
    group_name="signals",
    kinds={"dagster"},
    description="Which signals of a dataset there are, by their versions. Observed, never made: it stands between the "
    "signals and the selections, each of which reads only what its method needs.",
)
OWNERS = ["team:xmas"]
