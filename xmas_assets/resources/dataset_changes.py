"""Which registered datasets changed since the last look: a few file stamps each, so that hundreds cost little."""

import json
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import XmasError
from xmas_assets.files.notes import json_value
from xmas_assets.home.home import Home
from xmas_assets.home.versions import files_fingerprint, section_names, watched_files
from xmas_assets.resources.observations import observations, signal_observations

_FIRST_SELECTION = str(SelectionKey.make("xmas", "0.1", 0))  # what 'xmas select' makes if nothing is said


class Changes(NamedTuple):
    """What a look found.

    Attributes:
        observations: Of what is new or has another version.
        new: Datasets that have no partition yet.
        selections: A first one to choose in the UI, where there is none; its dialog fails on a first one typed there.
        summary: In words, for the sensor's page.
        cursor: What the next look starts from: by dataset, its files and their fingerprint.
    """

    observations: list[dg.AssetObservation]
    new: list[str]
    selections: list[str]
    summary: str
    cursor: str


def look_for_changes(instance: dg.DagsterInstance, home: Home, cursor: str | None) -> Changes:
    """Look at every registered dataset, and closely at those whose files are not as the cursor says.

    A broken registration hides no other; it is looked at again each time, and named.
    """
    before: dict[str, list[str]] = json_value(cursor) if cursor else {}
    observed = _observed(instance)
    known, names = set(instance.get_dynamic_partitions("dataset")), home.datasets()
    seen: dict[str, list[str]] = {}
    events: list[dg.AssetObservation] = []
    refused: list[str] = []
    for name in names:
        fingerprint, *paths = before.get(name, [""])
        if name in known and name in observed and fingerprint == files_fingerprint(map(Path, paths)):
            seen[name] = before[name]
            continue
        try:
            # Stamped before it is read: what changes in between is seen by the next look.
            watched = watched_files(home, name)
            stamp = [files_fingerprint(watched), *map(str, watched)]
            events.extend(observations(instance, home, name))
            seen[name] = stamp
        except XmasError as error:
            refused.append(f"datasets/{name}.yaml is not used: {error}")
    events.extend(signal_observations(instance, list(seen)))
    changed = sorted({f"{event.asset_key.to_user_string()} of {event.partition}" for event in events})
    total = f"{len(seen)} datasets" + (f"; new or changed: {', '.join(changed)}" if changed else "")
    return Changes(
        observations=events,
        new=[name for name in seen if name not in known],
        selections=[] if instance.get_dynamic_partitions("selection") else [_FIRST_SELECTION],
        summary="\n".join([*refused, total]),
        cursor=json.dumps(seen),
    )


def _observed(instance: dg.DagsterInstance) -> set[str]:
    """Datasets of which the log holds an observation of every section; one may have been wiped in the UI."""
    kind = dg.DagsterEventType.ASSET_OBSERVATION
    sections = [dg.AssetKey(["settings", section]) for section in section_names()]
    return set.intersection(*(set(instance.get_latest_storage_id_by_partition(key, kind)) for key in sections))
