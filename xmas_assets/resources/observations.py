"""Tell Dagster the versions of a dataset's files, settings and signals, so that it knows what a change makes stale."""

from collections.abc import Iterator, Sequence

import dagster as dg

from xmas_assets.contracts.signals import AVAILABLE_SIGNALS, SIGNAL_ASSETS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import combine
from xmas_assets.home.versions import current_values, current_versions

_VERSION_TAG = "dagster/data_version"


def observations(instance: dg.DagsterInstance, home: Home, dataset: str) -> Iterator[dg.AssetObservation]:
    """One observation for every version that differs from the last one observed."""
    values = current_values(home, dataset)
    for section, version in current_versions(home, dataset).items():
        key = dg.AssetKey(["settings", section])
        records = instance.fetch_observations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[dataset]), limit=1
        ).records
        observed = records[0].asset_observation if records else None
        if observed is None or observed.tags.get(_VERSION_TAG) != version:
            yield dg.AssetObservation(key, partition=dataset, tags={_VERSION_TAG: version}, metadata=values[section])


def signal_observations(instance: dg.DagsterInstance, datasets: Sequence[str]) -> Iterator[dg.AssetObservation]:
    """One observation for every dataset that has other signals, or others of their versions, than last observed."""
    made: dict[str, dict[str, str]] = {}
    for asset in sorted(SIGNAL_ASSETS):
        for dataset, version in _latest(instance, asset, datasets, dg.DagsterEventType.ASSET_MATERIALIZATION).items():
            made.setdefault(dataset, {})[asset] = version
    observed = _latest(instance, AVAILABLE_SIGNALS, datasets, dg.DagsterEventType.ASSET_OBSERVATION)
    for dataset, versions in made.items():
        version = combine(*(f"{asset} {version}" for asset, version in versions.items()))
        if observed.get(dataset) != version:
            yield dg.AssetObservation(
                AVAILABLE_SIGNALS, partition=dataset, tags={_VERSION_TAG: version}, metadata=versions
            )


def _latest(
    instance: dg.DagsterInstance, asset: str, partitions: Sequence[str], kind: dg.DagsterEventType
) -> dict[str, str]:
    """The data version of the latest event of each partition that has one."""
    found = instance.event_log_storage.get_latest_tags_by_partition(
        dg.AssetKey(asset), kind, [_VERSION_TAG], asset_partitions=partitions
    )
    return {partition: tags[_VERSION_TAG] for partition, tags in found.items() if _VERSION_TAG in tags}
