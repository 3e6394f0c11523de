"""A home in an object store: the folder on this machine is a working copy, which fetches and publishes units.

What is stored together is a unit: the tables of one partition, one piece of work, a registration.
"""

import json
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from filelock import FileLock

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.notes import read_note
from xmas_assets.files.objects import GoneError, ObjectStore
from xmas_assets.files.whole import file_stamps, remove, replacing, temporary_path
from xmas_assets.home.remote_index import NO_FILES, Manifest, RemoteIndex
from xmas_assets.home.remote_notes import FOLDER, UnitNote, place

_MARKER = Path(FOLDER) / "address.json"
_AT_ONCE = 8
_THREADS = threading.RLock()
_LOCKS: dict[Path, FileLock] = {}


@dataclass
class RemoteHome:
    """The store behind a working copy.

    Attributes:
        root: The working copy's folder.
        index: The state of the store.
    """

    root: Path
    index: RemoteIndex
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, root: Path) -> Self | None:
        """The store of a working copy; None of a home that is on this disk only.

        Raises:
            StoreError: If the working copy does not say of which store it is.
        """
        marker = root / _MARKER
        if not marker.exists():
            return None
        try:
            return cls(root, RemoteIndex(ObjectStore(read_note(marker)["address"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{marker} is damaged; remove the folder {root}, and all is fetched again") from error

    @classmethod
    def at(cls, root: Path, address: str) -> Self:
        """The store at an address, with a working copy that is made if it is not there."""
        store = ObjectStore(address.rstrip("/"))
        with replacing(root / _MARKER) as unfinished:
            unfinished.write_text(json.dumps({"address": store.address}), encoding="utf-8")
        return cls(root, RemoteIndex(store))

    @property
    def address(self) -> str:
        """Where the store is."""
        return self.index.store.address

    def refresh(self) -> None:
        """See what others have published since, and remove here what they removed.

        Raises:
            StoreError: If the store cannot be used, or lost its index.
        """
        with self.alone():
            noted = list(UnitNote.noted(self.root))  # before the index, or what is published meanwhile would seem gone
            self.index.refresh()
            self._seen.clear()
            gone = [unit for unit in noted if unit not in self.index.digests]
            if gone and not self.index.is_there:
                raise StoreError(
                    f"{self.address} holds nothing, though {self.root} was fetched from it; check the address, or "
                    "remove that folder to begin anew"
                )
            for unit in gone:
                self.remove_here(unit)

    def fetch(self, below: str) -> bool:
        """Bring the units that are, or are below, a folder of the home to this machine where they are others there.

        Returns:
            Whether one was.

        Raises:
            StoreError: If the store cannot be used, or an object is damaged or missing.
        """
        with self.alone():
            new = [unit for unit in self.index.below(below) if unit not in self._seen]
            changed = [self._fetch_newest(unit) for unit in new]
            self._seen.update(new)
            return any(changed)

    def publish(self, unit: str, *, skipped: Collection[str] = ()) -> None:
        """Store a unit as it is on this machine: its files first, then its manifest, and the index last.

        What others added to the same piece of work stays; anything else is replaced.

        Args:
            unit: Path below the root, of a folder or a file.
            skipped: Names at the top of the folder that stay here.

        Raises:
            StoreError: If the store cannot be used.
        """
        with self.alone():
            note = UnitNote.read(self.root, unit)
            local = note.hashed(self.root, skipped)
            if not local and unit not in self.index.digests:
                return
            before = (note.manifest or NO_FILES).files
            self.index.refresh()  # what another machine has dropped since is put again
            known = set(self.index.manifest(unit).files.values())
            self.index.announce(unit)
            self._in_parallel(lambda path: self._put(note, path), [path for path in local if local[path] not in known])

            def merged(stored: Manifest) -> Manifest:
                """Those of others, without what was here before and is gone, and what is here."""
                others = stored.files if _is_added_to(unit) else {}
                return Manifest({path: sha for path, sha in others.items() if path not in before} | local)

            self.index.change(unit, merged)
            note.save(Manifest(local))
            self._seen.add(unit)

    def drop(self, units: Iterable[str]) -> None:
        """Remove units and their objects, here and there; raises as ``publish``."""
        with self.alone():
            gone = [unit for unit in units if unit in self.index.digests]
            self.index.drop(gone)
            for unit in gone:
                self.remove_here(unit)

    def exchange(
        self, files: Iterable[str], *, is_small: Callable[[str], bool], merge: Callable[[Path, Path], bool]
    ) -> None:
        """Bring small files that people edit to the same state here and there.

        Args:
            files: Paths below the root of those that are here.
            is_small: Whether a unit is such a file.
            merge: Puts what the second file has into the first, which is here; False if only a person can.

        Raises:
            StoreError: If one was changed here and there, and is not merged.
        """
        with self.alone():
            here = set(files)
            removed = {unit for unit in UnitNote.noted(self.root) if is_small(unit)} - here
            self.refresh()
            for unit in sorted({*here, *removed, *filter(is_small, self.index.digests)}):
                self._exchange(unit, merge)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the other threads and processes of this machine from fetching and publishing."""
        lock = _LOCKS.setdefault(self.root, FileLock(self.root / FOLDER / "copy.lock", thread_local=False))
        with _THREADS, lock:
            yield

    def _exchange(self, unit: str, merge: Callable[[Path, Path], bool]) -> None:
        note = UnitNote.read(self.root, unit)
        base = note.manifest and note.manifest.digest
        local = note.hashed(self.root)
        here, there = Manifest(local).digest if local else None, self.index.digests.get(unit)
        if here == there:
            if here != base:
                note.save(Manifest(local))
        elif here == base or (here is None and there != base):
            self._fetch(unit) if there else self.remove_here(unit)
        elif there == base:
            self.publish(unit) if here else self.drop([unit])
        elif not self._merge(unit, merge):
            raise StoreError(
                f"{self.root / unit} was changed here and at {self.address}; move it away, then run again to get the "
                "other one, and put your changes into that"
            )

    def _merge(self, unit: str, merge: Callable[[Path, Path], bool]) -> bool:
        stored = self.index.manifest(unit)
        if not stored.files or not (self.root / unit).exists():
            return False
        with temporary_path(self.root / FOLDER / "other") as other:
            self.index.fetch_file(unit, stored.files[""], other)
            if not merge(self.root / unit, other):
                return False
        UnitNote.read(self.root, unit).save(stored)
        self.publish(unit)
        return True

    def _fetch_newest(self, unit: str) -> bool:
        try:
            return self._fetch(unit)
        except GoneError:  # it was replaced or removed meanwhile
            self.index.refresh()
            return unit in self.index.digests and self._fetch(unit)

    def _fetch(self, unit: str) -> bool:
        digest, target = self.index.digests[unit], self.root / unit
        note = UnitNote.read(self.root, unit)
        if note.manifest and note.manifest.digest == digest and note.is_whole(self.root):
            return False
        begun = note.path.with_suffix(".fetching")
        if begun.exists():
            remove(target)  # a fetch was killed: what is half there must not pass for finished work
        begun.parent.mkdir(parents=True, exist_ok=True)
        begun.touch()
        manifest, local = self.index.manifest(unit), note.hashed(self.root)
        wanted = {path for path, sha in manifest.files.items() if local.get(path) != sha}
        if _is_added_to(unit):
            wanted -= local.keys()
        self._in_parallel(lambda path: self._get(unit, path, manifest.files[path]), sorted(wanted))
        if not _is_added_to(unit):
            for path in local.keys() - manifest.files.keys():
                place(target, path).unlink(missing_ok=True)
        note.hashed(self.root)
        note.save(manifest)
        begun.unlink()
        return bool(wanted)

    def _get(self, unit: str, path: str, sha256: str) -> None:
        with replacing(place(self.root / unit, path)) as unfinished:
            self.index.fetch_file(unit, sha256, unfinished)

    def _put(self, note: UnitNote, path: str) -> None:
        stamp, sha256 = note.hashes[path]
        source = place(self.root / note.unit, path)
        try:
            is_new = self.index.put_file(note.unit, source, sha256)
            is_same = [*file_stamps([source])[0]] == stamp
        except FileNotFoundError as error:
            raise StoreError(f"{source} was removed while it was stored; the rest is stored next time") from error
        if not is_same:
            if is_new:
                self.index.delete_file(note.unit, sha256)
            raise StoreError(f"{source} was changed while it was stored; it is stored next time")

    def _in_parallel(self, do: Callable[[str], None], paths: list[str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(do, paths))

    def remove_here(self, unit: str) -> None:
        """Remove a unit from this machine."""
        remove(self.root / unit)
        UnitNote.read(self.root, unit).forget()


def _is_added_to(unit: str) -> bool:
    """Whether several machines may add files to a unit: those that are there are never written again."""
    return unit.startswith("work/")
