"""All Dagster definitions of the platform; `build_defs` lets tests and the CLI swap any resource."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from xmas_assets.assets import (
    attention_gradient_agreement,
    base_model,
    benchmark_scores,
    checks,
    clip_embeddings,
    clusters,
    difficulty_scores,
    gradients,
    jobs,
    leaderboard,
    proxy_checkpoints,
    quality_indicators,
    quality_ratings,
    raw_dataset,
    selected_subset,
    sensors,
    signals,
    tags,
    target_model,
    text_lengths,
    validation_samples,
    warmup_checkpoints,
)
from xmas_assets.assets.partitions import AVAILABLE, SETTINGS
from xmas_assets.resources.dagster_home import home_resource
from xmas_assets.resources.io_managers import TablesIOManager
from xmas_assets.resources.preparation import Preparation
from xmas_assets.resources.tracking import Tracking


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The platform's definitions.

    Args:
        resource_overrides: Resources by key that replace the default ones; a ``home`` given here also serves the
            default IO manager and tracking.
    """
    overrides = dict(resource_overrides or {})
    home = overrides.get("home", home_resource)
    resources = {
        "home": home,
        "tracking": Tracking(home=home),
        "preparation": Preparation(home=home),
        "io_manager": TablesIOManager(home=home),
    } | overrides
    return dg.Definitions(
        assets=[
            *SETTINGS.values(),
            AVAILABLE,
            raw_dataset.raw_dataset,
            base_model.base_model,
            base_model.target_base,
            proxy_checkpoints.proxy_checkpoints,
            signals.signals,
            clusters.clusters,
            warmup_checkpoints.warmup_checkpoints,
            gradients.gradients,
            gradients.adam_gradients,
            validation_samples.validation_samples,
            gradients.validation_gradients,
            text_lengths.text_lengths,
            clip_embeddings.clip_embeddings,
            difficulty_scores.difficulty_scores,
            tags.tags,
            quality_ratings.quality_ratings,
            quality_indicators.quality_indicators,
            selected_subset.selected_subset,
            target_model.target_model,
            benchmark_scores.benchmark_scores,
            leaderboard.leaderboard,
            attention_gradient_agreement.attention_gradient_agreement,
        ],
        asset_checks=checks.CHECKS,
        jobs=jobs.JOBS,
        sensors=[sensors.dataset_files],
        resources=resources,
        # One process per run: stages are short next to starting a process, and a run's end frees all its memory.
        executor=dg.in_process_executor,
    )


defs = build_defs()
