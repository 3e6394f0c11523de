"""All Dagster definitions of the platform; `build_defs` lets tests and the CLI swap any resource."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from xmas_assets.assets import (
    attention_trajectories,
    base_model,
    benchmark_scores,
    checks,
    clusters,
    jobs,
    leaderboard,
    proxy_checkpoints,
    raw_dataset,
    selected_subset,
    sensors,
    target_model,
)
from xmas_assets.assets.partitions import SETTINGS
from xmas_assets.resources.home import Home
from xmas_assets.resources.io_managers import TablesIOManager
from xmas_assets.resources.tracking import Tracking


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The platform's definitions.

    Args:
        resource_overrides: Resources by key that replace the default ones; a ``home`` given here also serves the
            default IO manager and tracking.
    """
    overrides = dict(resource_overrides or {})
    home = overrides.get("home", Home())
    resources = {"home": home, "tracking": Tracking(home=home), "io_manager": TablesIOManager(home=home)} | overrides
    return dg.Definitions(
        assets=[
            *SETTINGS.values(),
            raw_dataset.raw_dataset,
            base_model.base_model,
            proxy_checkpoints.proxy_checkpoints,
            attention_trajectories.attention_trajectories,
            clusters.clusters,
            selected_subset.selected_subset,
            target_model.target_model,
            benchmark_scores.benchmark_scores,
            leaderboard.leaderboard,
        ],
        asset_checks=checks.CHECKS,
        jobs=jobs.JOBS,
        sensors=[sensors.dataset_files],
        resources=resources,
        # One process per run: stages are short next to starting a process, and a run's end frees all its memory.
        executor=dg.in_process_executor,
    )


defs = build_defs()
