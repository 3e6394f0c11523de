"""Tell Dagster the versions of a dataset's files and settings, so that it knows what a change makes stale."""

from collections.abc import Iterator

import dagster as dg

from xmas_assets.home.home import Home
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
