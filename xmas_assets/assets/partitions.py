"""The two partition dimensions, and the external assets that stand for a dataset's files and settings.

Settings are assets, so that Dagster itself knows what a change concerns: a new value of ``settings/clusters`` makes
``clusters`` and what follows stale, and nothing before it.
"""

import dagster as dg

DATASETS = dg.DynamicPartitionsDefinition(name="dataset")
SELECTIONS = dg.MultiPartitionsDefinition(
    {"dataset": DATASETS, "selection": dg.DynamicPartitionsDefinition(name="selection")}
)

SETTINGS = {
    section: dg.AssetSpec(
        dg.AssetKey(["settings", section]),
        partitions_def=DATASETS,
        group_name="settings",
        kinds={"yaml"},
        description=f"{text} Observed from `XMAS_HOME/datasets/NAME.yaml`; edit that file to change it.",
    )
    for section, text in {
        "source": "The dataset's annotation files, image root and format.",
        "base_model": "Which vision-language model training starts from.",
        "proxy": "How the proxy is fine-tuned.",
        "trajectories": "How cross-modal attention is read.",
        "clusters": "How trajectories are clustered.",
        "methods": "Hyperparameters of selection methods.",
        "target": "How target models are fine-tuned.",
        "benchmark": "How target models are asked.",
    }.items()
}
OWNERS = ["team:xmas"]
