"""Jobs: the same assets under names that say what one run of them does."""

import dagster as dg

from xmas_assets.contracts.signals import READ_IN_ONE_PASS

_PREPARED = ("raw_dataset", "base_model", "target_base", "proxy_checkpoints", "attention_trajectories", "clusters")

JOBS = [
    dg.define_asset_job(
        "prepare_dataset",
        selection=_PREPARED,
        description="What a dataset needs once, for any budget: read, find models, train the proxy, follow it.",
    ),
    dg.define_asset_job(
        "read_signals",
        selection=[asset for asset in READ_IN_ONE_PASS if asset not in _PREPARED],
        description="What other methods look at of the proxy's forward passes, read in one pass.",
    ),
    dg.define_asset_job(
        "prepare_gradients",
        selection=[
            "warmup_checkpoints",
            "gradients",
            "adam_gradients",
            "validation_samples",
            "validation_gradients",
        ],
        description="What methods that look at gradients need once: warm up, read gradients; needs validation records.",
    ),
    dg.define_asset_job(
        "prepare_embeddings",
        selection=["text_lengths", "clip_embeddings", "difficulty_scores"],
        description="Lengths, joint embeddings of image and text, and the difficulty that is learned from them.",
    ),
    dg.define_asset_job(
        "annotate_rows",
        selection=["tags", "quality_ratings", "quality_indicators"],
        description="Annotations from a column, a language model or your file of ratings; name these first.",
    ),
    dg.define_asset_job(
        "evaluate_selection",
        selection=["selected_subset", "target_model", "benchmark_scores"],
        description="Select a subset, train on it, score it. Backfill it over all selections of a dataset.",
    ),
    dg.define_asset_job(
        "publish_leaderboard",
        selection=["leaderboard"],
        description="Bring a dataset's scores together.",
    ),
    dg.define_asset_job(
        "check_theory",
        selection=["attention_gradient_agreement"],
        description="Compare attention with gradients on a dataset's own rows; both must have been read.",
    ),
]
