"""Jobs: the same assets under names that say what one run of them does."""

import dagster as dg

JOBS = [
    dg.define_asset_job(
        "prepare_dataset",
        selection=["raw_dataset", "base_model", "proxy_checkpoints", "attention_trajectories", "clusters"],
        description="Everything a dataset needs once, whatever the budget: read, train the proxy, follow attention.",
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
]
