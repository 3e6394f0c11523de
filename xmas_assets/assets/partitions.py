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
        "validation": "The dataset's validation files: records of the target tasks that less and icons select for.",
        "base_model": "Which vision-language model the proxy, and all that reads the data, starts from.",
        "target_base": "Which vision-language model targets start from; `base_model` unless another is named.",
        "proxy": "How the proxy is fine-tuned.",
        "trajectories": "How cross-modal attention is read.",
        "attention_maps": "What is kept of where the text looks in an image.",
        "block_activations": "Which attention blocks are read.",
        "attended_features": "Which image tokens count as attended to.",
        "clusters": "How trajectories are clustered.",
        "warmup": "How the short training runs at whose checkpoints gradients are read.",
        "gradients": "How gradients of single rows are read and projected.",
        "clip": "Which model embeds images and texts.",
        "difficulty": "How the score net is trained together with the model.",
        "tags": "Where tags come from: a column, an endpoint, or a local model.",
        "quality": "The judge, and the ratings of subsets that quality is learned from.",
        "methods": "Hyperparameters of selection methods.",
        "target": "How target models are fine-tuned.",
        "benchmark": "How target models are asked.",
    }.items()
}
OWNERS = ["team:xmas"]
