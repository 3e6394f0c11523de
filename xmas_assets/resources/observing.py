"""Observe a dataset's files and settings, so that Dagster knows what a change makes stale."""

import hashlib
from collections.abc import Iterator

import dagster as dg

from xmas_assets.data.registration import Registration
from xmas_assets.resources.home import Home

_VERSION_TAG = "dagster/data_version"
_SOURCE_FIELDS = {"annotations", "test", "images", "format", "duplicates"}


def current_versions(home: Home, dataset: str) -> dict[str, str]:
    """Version of every external asset ``settings/<section>`` of a dataset; equal versions mean nothing changed."""
    settings = home.settings(dataset)
    sections = {name: getattr(settings, name).digest() for name in type(settings).model_fields}
    return {"source": _source_version(home.registration(dataset)), **sections}


def observations(instance: dg.DagsterInstance, home: Home, dataset: str) -> Iterator[dg.AssetObservation]:
    """One observation for every version that differs from the last one observed."""
    settings = {name: section.model_dump(mode="json") for name, section in home.settings(dataset)}
    values = {"source": home.registration(dataset).model_dump(mode="json", include=_SOURCE_FIELDS), **settings}
    for section, version in current_versions(home, dataset).items():
        key = dg.AssetKey(["settings", section])
        records = instance.fetch_observations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[dataset]), limit=1
        ).records
        observed = records[0].asset_observation if records else None
        if observed is None or observed.tags.get(_VERSION_TAG) != version:
            yield dg.AssetObservation(key, partition=dataset, tags={_VERSION_TAG: version}, metadata=values[section])


def _source_version(registration: Registration) -> str:
    """Version of the source from names, sizes and times: cheap enough for a sensor.

    A file touched without a change makes ``raw_dataset`` stale; its content hash then stops the staleness there.
    """
    parts = [registration.model_dump_json(include=_SOURCE_FIELDS)]
    for path in (*registration.annotations, *registration.test):
        status = path.stat() if path.exists() else None
        parts.append(f"{path}:{status.st_size}:{status.st_mtime_ns}" if status else f"{path}:missing")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
