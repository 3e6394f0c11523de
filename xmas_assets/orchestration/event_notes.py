"""What the event log says about the latest state of every partition: asked in bulk, remembered by event.

An event never changes, so what was read of it is kept in a file next to the log. An event of a selection holds its
pictures; without the file, two thousand of them would be read again for every command.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import orjson

from xmas_assets.files.notes import note_bytes
from xmas_assets.files.whole import replacing

_FORM = 1  # raised when the file's form changes
_PAGE = 500  # events read at once
_VERSION, _CODE = "dagster/data_version", "dagster/code_version"
_INPUT, _POINTER = "dagster/input_data_version/", "dagster/input_event_pointer/"


class EventNote(NamedTuple):
    """One materialization or observation of one partition.

    Attributes:
        storage_id: Its place in the log; later events have larger ones.
        run_id: Run that it came from.
        data_version: Of what was made or observed.
        code_version: Of the asset that made it; None for observations.
        inputs: Version of each input, by asset, as Dagster recorded it.
        pointers: Place in the log up to which each input was seen; None if there was no event of it yet.
    """

    storage_id: int
    run_id: str
    data_version: str | None
    code_version: str | None
    inputs: dict[str, str]
    pointers: dict[str, int | None]


class _History(NamedTuple):
    rest: Iterator[str]
    runs: set[str]


@dataclass
class EventNotes:
    """The latest events of an instance.

    Attributes:
        instance: Whose log is asked.
        path: File that remembers; it may be deleted at any time.
    """

    instance: dg.DagsterInstance
    path: Path
    _notes: dict[str, dict[str, list[Any]]] = field(default_factory=dict)  # by asset and storage id
    _passed: dict[str, list[str]] = field(default_factory=dict)  # checks by the materialization's storage id
    _histories: dict[dg.AssetCheckKey, "_History"] = field(default_factory=dict)  # read as far as was needed
    _is_changed: bool = False

    @classmethod
    def open(cls, instance: dg.DagsterInstance, path: Path) -> "EventNotes":
        """Open what is remembered, unless it is damaged or of another log."""
        notes = cls(instance, path)
        try:
            content = orjson.loads(note_bytes(path))
            if content["form"] == _FORM and notes._is_of_this_log(content["notes"]):
                notes._notes, notes._passed = content["notes"], content["passed"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # it is read from the log again
        return notes

    def save(self) -> None:
        """Remember what was read, if anything was."""
        if self._is_changed:
            content = orjson.dumps({"form": _FORM, "notes": self._notes, "passed": self._passed})
            with replacing(self.path) as unfinished:
                unfinished.write_bytes(content)
            self._is_changed = False

    def latest(self, asset: str, *, observed: bool = False) -> dict[str, EventNote]:
        """The latest event of every partition of an asset.

        Args:
            asset: Its name.
            observed: Observations instead of materializations.
        """
        kind = dg.DagsterEventType.ASSET_OBSERVATION if observed else dg.DagsterEventType.ASSET_MATERIALIZATION
        ids = self.instance.get_latest_storage_id_by_partition(_key(asset), kind)
        known, wanted = self._notes.get(asset, {}), set(map(str, ids.values()))
        if known.keys() != wanted:
            fetched = self._fetch(asset, sorted(map(int, wanted - known.keys())), observed=observed)
            known = {place: note for place, note in known.items() if place in wanted}
            known |= {str(note.storage_id): list(note) for note in fetched}
            self._notes[asset], self._is_changed = known, True
        return {key: EventNote(*known[str(place)]) for key, place in ids.items() if str(place) in known}

    def version_at(self, asset: str, partition: str, storage_id: int, *, observed: bool = False) -> str | None:
        """The data version that a partition had at a place in the log; None if there was none yet."""
        chosen = dg.AssetRecordsFilter(
            asset_key=_key(asset), asset_partitions=[partition], before_storage_id=storage_id + 1
        )
        records = self._fetcher(observed=observed)(chosen, limit=1).records
        return _note(records[0]).data_version if records else None

    def have_passed(self, asset: str, checks: Iterable[str], note: EventNote) -> bool:
        """Whether all these checks passed on a materialization of an asset, in the run that made it."""
        return all(self._has_passed(dg.AssetCheckKey(_key(asset), name), note) for name in checks)

    def _has_passed(self, check: dg.AssetCheckKey, note: EventNote) -> bool:
        history = self._histories.setdefault(check, _History(self._evaluations(check), set()))
        place = str(note.storage_id)
        while check.name not in self._passed.get(place, ()) and note.run_id not in history.runs:
            run_id = next(history.rest, None)
            if run_id is None:
                break
            history.runs.add(run_id)
        return check.name in self._passed.get(place, ())

    def _evaluations(self, check: dg.AssetCheckKey) -> Iterator[str]:
        """Note what a check said of materializations, the latest first; yields the run of each."""
        storage, cursor = self.instance.event_log_storage, None
        while records := storage.get_asset_check_execution_history(check, _PAGE, cursor):
            cursor = records[-1].id
            for record in records:
                event = record.event.dagster_event if record.event else None
                evaluation: Any = event.event_specific_data if event else None
                target = getattr(evaluation, "target_materialization_data", None)  # a planned one has none yet
                if target and target.run_id == record.run_id and evaluation.passed:
                    passed = self._passed.setdefault(str(target.storage_id), [])
                    if check.name not in passed:
                        passed.append(check.name)
                        self._is_changed = True
                yield record.run_id

    def _is_of_this_log(self, notes: Mapping[str, Mapping[str, list[Any]]]) -> bool:
        """Whether the log still holds the last event that was read: one that was made anew counts from 1 again."""
        last = max(((int(place), asset) for asset, known in notes.items() for place in known), default=None)
        if last is None:
            return False
        place, asset = last
        found = self._fetch(asset, [place], observed=asset.startswith("settings/"))
        return [list(note) for note in found] == [notes[asset][str(place)]]

    def _fetch(self, asset: str, storage_ids: Sequence[int], *, observed: bool) -> Iterable[EventNote]:
        for start in range(0, len(storage_ids), _PAGE):
            part = storage_ids[start : start + _PAGE]
            chosen = dg.AssetRecordsFilter(asset_key=_key(asset), storage_ids=part)
            yield from map(_note, self._fetcher(observed=observed)(chosen, limit=len(part)).records)

    def _fetcher(self, *, observed: bool) -> Callable[..., Any]:
        return self.instance.fetch_observations if observed else self.instance.fetch_materializations


def _key(asset: str) -> dg.AssetKey:
    return dg.AssetKey.from_user_string(asset)


def _note(record: dg.EventLogRecord) -> EventNote:
    event = record.asset_materialization or record.asset_observation
    assert event is not None
    tags: Mapping[str, str] = event.tags or {}
    pointers = {
        name.removeprefix(_POINTER): None if value == "NULL" else int(value)
        for name, value in tags.items()
        if name.startswith(_POINTER)
    }
    inputs = {name.removeprefix(_INPUT): value for name, value in tags.items() if name.startswith(_INPUT)}
    return EventNote(record.storage_id, record.run_id, tags.get(_VERSION), tags.get(_CODE), inputs, pointers)
