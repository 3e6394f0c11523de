"""Observe a dataset's files and settings, so that Dagster knows what a change makes stale."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg

from xmas_assets.contracts.settings import Section
from xmas_assets.home.home import Home

_VERSION_TAG = "dagster/data_version"
_READ_FIELDS = {"images", "format", "duplicates"}
_FILES = {"source": ("annotations", "test"), "validation": ("validation",)}  # by section


def current_versions(home: Home, dataset: str) -> dict[str, str]:
    """Version of every external asset ``settings/<section>`` of a dataset; equal versions mean nothing changed."""
    sections = {name: section.digest() for name, section in _sections(home, dataset).items()}
    registration = home.registration(dataset)
    for section, fields in _FILES.items():
        said = registration.model_dump_json(include={*fields, *_READ_FIELDS})
        sections[section] = _files_version(said, [path for field in fields for path in getattr(registration, field)])
    ratings = home.settings(dataset).quality.ratings
    return sections | ({"quality": _files_version(sections["quality"], [Path(ratings)])} if ratings else {})


def observations(instance: dg.DagsterInstance, home: Home, dataset: str) -> Iterator[dg.AssetObservation]:
    """One observation for every version that differs from the last one observed."""
    settings = {name: section.model_dump(mode="json") for name, section in _sections(home, dataset).items()}
    registration = home.registration(dataset)
    files = {
        section: registration.model_dump(mode="json", include={*fields, *_READ_FIELDS})
        for section, fields in _FILES.items()
    }
    values = files | settings
    for section, version in current_versions(home, dataset).items():
        key = dg.AssetKey(["settings", section])
        records = instance.fetch_observations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[dataset]), limit=1
        ).records
        observed = records[0].asset_observation if records else None
        if observed is None or observed.tags.get(_VERSION_TAG) != version:
            yield dg.AssetObservation(key, partition=dataset, tags={_VERSION_TAG: version}, metadata=values[section])


def _sections(home: Home, dataset: str) -> dict[str, Section]:
    """The settings by section; those of single signals stand on their own, so that one changed is one changed."""
    sections = dict(home.settings(dataset))
    signals = sections.pop("signals")
    return sections | dict(signals)


def _files_version(said: str, paths: Iterable[Path]) -> str:
    """Version of files from names, sizes and times, and of what is said about them: cheap enough for a sensor.

    A file touched without a change makes ``raw_dataset`` stale; its content hash then stops the staleness there.
    """
    parts = [said]
    for path in paths:
        status = path.stat() if path.exists() else None
        parts.append(f"{path}:{status.st_size}:{status.st_mtime_ns}" if status else f"{path}:missing")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
