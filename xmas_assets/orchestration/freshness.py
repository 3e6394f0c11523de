"""What of the stored assets is up to date, by the versions in Dagster's event log; and what it does not see."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.signals import AVAILABLE_SIGNALS, SIGNAL_ASSETS
from xmas_assets.home.home import Home
from xmas_assets.home.seen_models import seen_models
from xmas_assets.home.versions import BENCHMARKS
from xmas_assets.orchestration.asset_links import AssetLinks, is_settings
from xmas_assets.orchestration.event_notes import EventNote, EventNotes
from xmas_assets.selection.registry import METHODS, assets_read
from xmas_assets.stages.subsets import EXCLUDED, exclusion_table

_LOG = logging.getLogger(__name__)
FRESH, STALE, MISSING = "FRESH", "STALE", "MISSING"


@dataclass
class Freshness:
    """Looks at the instance and at the disk as they are when it is made; make a new one after a run.

    An asset's partition is stale if its code has a new version, or an input has another data version than the one that
    it was made from: Dagster's own rule (a test compares the two), asked for all partitions of an asset at once.
    Beyond that, an asset whose tables are not on the disk is missing. It is stale if they, or checkpoints that they
    name, are damaged or not those of its latest materialization. So is one whose blocking checks did not all pass on
    that: they failed, or the run was killed before them. A selection is not stale for a signal that its method does
    not read (the UI, which cannot know, shows it as "unsynced": to run it there again costs only the choice, and
    changes nothing). A leaderboard is stale for any of its selections, however many; Dagster stops looking at a
    hundred. It is also stale where its selections were made anew by another rule of exclusion, even if that left the
    same rows.
    """

    home: Home
    links: AssetLinks
    notes: EventNotes
    _latest: dict[str, dict[str, EventNote]] = field(default_factory=dict)
    _versions: dict[tuple[str, str, int], str | None] = field(default_factory=dict)
    _named: dict[str, bool] = field(default_factory=dict)
    _changed_models: dict[str, set[str]] = field(default_factory=dict)

    def states(self, assets: Iterable[str], partitions: Iterable[str]) -> dict[str, dict[str, str]]:
        """FRESH, STALE or MISSING by asset, in topological order, and by partition."""
        wanted, partitions = set(assets), list(partitions)
        states = {
            asset: {partition: self._state(asset, partition) for partition in partitions}
            for asset in self.links.parents
            if asset in wanted
        }
        self.notes.save()
        return states

    def stale(self, assets: Iterable[str], partition: str) -> list[str]:
        """Those of ``assets`` that are stale or missing, and those of them that follow, in topological order."""
        return self.stale_by_partition(assets, [partition])[partition]

    def stale_by_partition(self, assets: Iterable[str], partitions: Iterable[str]) -> dict[str, list[str]]:
        """``stale`` of several partitions at once."""
        partitions = list(partitions)
        states = self.states(assets, partitions)
        behind = {asset: set(self.links.behind([asset])) for asset in states}
        found: dict[str, list[str]] = {partition: [] for partition in partitions}
        for asset, by_partition in states.items():
            for partition, state in by_partition.items():
                if state != FRESH or behind[asset].intersection(found[partition]):
                    found[partition].append(asset)
        return found

    def why_stale(self, asset: str, partition: str) -> str | None:
        """Why what is there of an asset is not up to date, in a few words; None if it is."""
        note = self._events(asset)[partition]
        if not self._holds(asset, partition, note.data_version):
            return "its tables are damaged, or not its own"
        if note.code_version != self.links.code_versions[asset]:
            return "an earlier version of the code made it"
        if changed := self._changed_inputs(asset, partition, note):
            return f"{', '.join(self._described(name, partition) for name in changed)} changed"
        if not self.notes.have_passed(asset, self.links.blocking_checks.get(asset, ()), note):
            return "a check of it did not pass"
        if asset == "leaderboard" and not self._says_what_was_excluded(partition):
            return "contaminated rows were left out by another rule since"
        return None

    def _described(self, name: str, partition: str) -> str:
        """An input's name, with what of it changed if that is the files of a model that the settings name."""
        dataset = partition.partition("|")[0]
        if is_settings(name) and dataset not in self._changed_models:
            models = seen_models(self.home, dataset)
            self._changed_models[dataset] = {f"settings/{m.section}" for m in models if any(m.notes.changes())}
        return f"{name} (files of its model)" if name in self._changed_models.get(dataset, ()) else name

    def _state(self, asset: str, partition: str) -> str:
        if partition not in self._events(asset) or not self.home.is_stored(asset, partition):
            return MISSING
        return FRESH if self.why_stale(asset, partition) is None else STALE

    def _says_what_was_excluded(self, dataset: str) -> bool:
        """Whether a leaderboard names the rules of its selections as they are now; another may leave the same rows."""
        tables = self.home.stored("leaderboard", dataset)
        said = tables[EXCLUDED].frame() if EXCLUDED in tables else None
        try:
            now = exclusion_table(self.home, self.home.stored_partitions("benchmark_scores", dataset))
        except StoreError:  # a damaged subset is stale itself
            return True
        return now is None if said is None else now is not None and said.equals(now)

    def _holds(self, asset: str, partition: str, version: str | None) -> bool:
        """Whether the stored tables are those of the latest materialization; what is wrong is said once."""
        try:
            stored = self.home.stored_version(asset, partition)
        except StoreError as error:
            warn_once(f"{asset} of {partition} counts as stale: {error}")
            return False
        if stored != version:
            folder = self.home.table_directory(asset, partition)
            warn_once(f"{asset} of {partition} counts as stale: {folder} holds other tables than its last run made")
        return stored == version

    def _changed_inputs(self, asset: str, partition: str, note: EventNote) -> list[str]:
        """The inputs that concern this partition and are new, gone, or of another version than it was made from."""
        unread = self._unread(asset, partition, note)
        parents = set(self.links.parents[asset])
        others = (note.inputs.keys() ^ parents) - unread
        return sorted(others) or [
            parent for parent in sorted(parents - unread) if self._is_updated(parent, partition, note)
        ]

    def _unread(self, asset: str, partition: str, note: EventNote) -> set[str]:
        """Inputs of a selection that its method does not read.

        So are benchmarks of scores that were made before there were any, as long as the dataset names none.
        """
        if asset not in self.links.by_selection:
            return set()
        dataset, selection = parse_partition(partition)
        if asset == "benchmark_scores" and not self._names_benchmarks(dataset):
            return {f"settings/{BENCHMARKS}"} - note.inputs.keys()
        if asset != "selected_subset" or selection.method not in METHODS:
            return set()
        return SIGNAL_ASSETS.keys() - assets_read([selection.method])

    def _names_benchmarks(self, dataset: str) -> bool:
        if dataset not in self._named:
            self._named[dataset] = bool(self.home.registration(dataset).benchmarks)
        return self._named[dataset]

    def _is_updated(self, parent: str, partition: str, note: EventNote) -> bool:
        """Whether an input has another version now than at the place in the log up to which it was seen."""
        pointer = note.pointers.get(parent)
        if pointer is None:  # there was no event of it, in any partition; as Dagster, a first one is no update
            return False
        now = self._inputs_of(parent, partition)
        later = {key: event for key, event in now.items() if event.storage_id > pointer}
        if not later or note.inputs[parent] == _combined(now):
            return False
        return any(self._version_at(parent, key, pointer) != event.data_version for key, event in later.items())

    def _inputs_of(self, parent: str, partition: str) -> Mapping[str, EventNote]:
        """The latest events of the partitions of an input that a partition is made from."""
        events = self._events(parent)
        if parent in self.links.by_selection and "|" not in partition:
            return {key: event for key, event in events.items() if key.startswith(f"{partition}|")}
        key = partition if parent in self.links.by_selection else partition.partition("|")[0]
        return {key: events[key]} if key in events else {}

    def _events(self, asset: str) -> dict[str, EventNote]:
        if asset not in self._latest:
            latest = self.notes.latest(asset, observed=is_settings(asset))
            self._latest[asset] = {key: self._opened(note) for key, note in latest.items()}
        return self._latest[asset]

    def _opened(self, note: EventNote) -> EventNote:
        """A note with the signals that were there as its inputs, in place of the record of them."""
        if AVAILABLE_SIGNALS not in note.inputs:  # so are selections of earlier versions
            return note
        inputs, pointers = dict(note.inputs), dict(note.pointers)
        seen = pointers.pop(AVAILABLE_SIGNALS, None)
        inputs |= dict.fromkeys(self.links.recorded, inputs.pop(AVAILABLE_SIGNALS))
        return note._replace(inputs=inputs, pointers=pointers | dict.fromkeys(self.links.recorded, seen))

    def _version_at(self, asset: str, partition: str, pointer: int) -> str | None:
        place = (asset, partition, pointer)
        if place not in self._versions:
            self._versions[place] = self.notes.version_at(asset, partition, pointer, observed=is_settings(asset))
        return self._versions[place]


@cache
def warn_once(message: str) -> None:
    """Say it the first time that this process comes to it."""
    _LOG.warning("%s", message)


def _combined(events: Mapping[str, EventNote]) -> str:
    """The version that Dagster records of an input that is partitioned: a hash over its partitions, by key."""
    return sha256("".join(events[key].data_version or "" for key in sorted(events)).encode()).hexdigest()
