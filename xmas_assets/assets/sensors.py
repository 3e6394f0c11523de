"""Sensor: new or changed files below ``XMAS_HOME/datasets`` become partitions and observations."""

import dagster as dg

from xmas_assets.home.home import Home
from xmas_assets.resources.dataset_changes import look_for_changes


@dg.sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Picks up new and changed files in XMAS_HOME/datasets: adds partitions, and marks as stale what a "
    "changed setting or source file concerns. It starts no run.",
)
def dataset_files(context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]) -> dg.SensorResult:
    """Add a partition for each registered dataset and observe what changed in its files and settings."""
    changes = look_for_changes(context.instance, home, context.cursor)
    return dg.SensorResult(
        skip_reason=changes.summary,
        asset_events=changes.observations,
        cursor=changes.cursor,
        dynamic_partitions_requests=[
            dg.AddDynamicPartitionsRequest(name, keys)
            for name, keys in (("dataset", changes.new), ("selection", changes.selections))
            if keys
        ],
    )
