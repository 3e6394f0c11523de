"""Sensor: new or changed files below ``XMAS_HOME/datasets`` become partitions and observations."""

import dagster as dg

from xmas_assets.contracts.errors import XmasError
from xmas_assets.data.registration import registered_names
from xmas_assets.home.home import Home
from xmas_assets.resources.observations import observations


@dg.sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Picks up new and changed files in XMAS_HOME/datasets: adds partitions, and marks as stale what a "
    "changed setting or source file concerns. It starts no run.",
)
def dataset_files(context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]) -> dg.SensorResult:
    """Add a partition for each registered dataset and observe what changed in its files and settings."""
    events: list[dg.AssetObservation] = []
    names: list[str] = []
    refused: list[str] = []
    for name in registered_names(home.path()):
        try:
            events.extend(observations(context.instance, home, name))
            names.append(name)
        except XmasError as error:  # one broken file must not hide the other datasets
            refused.append(f"datasets/{name}.yaml is not used: {error}")
            context.log.warning(refused[-1])
    known = set(context.instance.get_dynamic_partitions("dataset"))
    new = [name for name in names if name not in known]
    changed = sorted({f"{event.asset_key.to_user_string()} of {event.partition}" for event in events})
    said = [*refused, f"{len(names)} datasets" + (f"; new or changed: {', '.join(changed)}" if changed else "")]
    return dg.SensorResult(
        skip_reason="\n".join(said),
        asset_events=events,
        dynamic_partitions_requests=[dg.AddDynamicPartitionsRequest("dataset", new)] if new else [],
    )
