"""What a working copy knows of the units that it fetched or published, kept next to them on this machine."""

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from xmas_assets.contracts.errors import DatasetError, StoreError
from xmas_assets.files.notes import json_value, note_bytes
from xmas_assets.files.whole import UNFINISHED, file_sha256, file_stamps, replacing
from xmas_assets.home.remote_index import Manifest

FOLDER = "remote"
_TRIES = 5


@dataclass(frozen=True)
class UnitNote:
    """What is known of one unit.

    Attributes:
        path: File that remembers it.
        unit: Path of the unit below the home's root.
        manifest: As it was last fetched or published; None if it never was.
        hashes: By path below the unit: the stamp of the file when it was hashed, and its hash.
    """

    path: Path
    unit: str
    manifest: Manifest | None = None
    hashes: dict[str, tuple[list[str | int], str]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path, unit: str) -> Self:
        """What is noted of a unit; of a damaged note, nothing."""
        path = _note_of(root, unit)
        try:
            note = json_value(note_bytes(path).partition(b"\n")[2])
            hashes = {name: (stamp, sha256) for name, (stamp, sha256) in note["hashes"].items()}
            return cls(path, unit, Manifest(note["files"]), hashes)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(path, unit)

    @staticmethod
    def noted(root: Path) -> Iterator[str]:
        """The units of which something is noted; of each note only the first line is read, for it may be long."""
        for path in sorted((root / FOLDER / "units").glob("*.json")):
            with suppress(OSError, ValueError), path.open(encoding="utf-8") as note:
                unit = json_value(note.readline())
                if isinstance(unit, str) and _note_of(root, unit) == path:  # else the note is damaged
                    yield unit

    def save(self, manifest: Manifest) -> None:
        """Note a unit that is the same here and in the store."""
        note = {"files": dict(manifest.files), "hashes": self.hashes}
        with replacing(self.path) as unfinished:
            unfinished.write_text(f"{json.dumps(self.unit)}\n{json.dumps(note)}", encoding="utf-8")

    def forget(self) -> None:
        """Know nothing of the unit any more."""
        self.path.unlink(missing_ok=True)

    def hashed(self, root: Path, skipped: Collection[str] = ()) -> dict[str, str]:
        """Hex SHA-256 of the unit's files as they are here now; files that did not change are not read again.

        Raises:
            StoreError: If files come and go all the time.
        """
        target = root / self.unit
        for _ in range(_TRIES):
            paths = self._files(target, skipped)
            try:
                hashes = {path: self._hash(place(target, path), path) for path in paths}
            except (FileNotFoundError, DatasetError):
                continue  # the work goes on meanwhile
            if paths == self._files(target, skipped):
                return hashes
        raise StoreError(f"{target} changes all the time; it is stored when it is done")

    def is_whole(self, root: Path) -> bool:
        """Whether every file that was fetched or published is still here."""
        return self.manifest is not None and all(place(root / self.unit, path).exists() for path in self.manifest.files)

    def _hash(self, path: Path, name: str) -> str:
        stamp = [*file_stamps([path])[0]]
        known = self.hashes.get(name)
        if known is None or known[0] != stamp:
            self.hashes[name] = (stamp, file_sha256(path))
        return self.hashes[name][1]

    @staticmethod
    def _files(target: Path, skipped: Collection[str]) -> list[str]:
        if target.is_file():
            return [""]
        inside = (path for path in target.rglob("*") if path.is_file() and not path.is_symlink())
        names = (path.relative_to(target).as_posix() for path in inside)
        return sorted(name for name in names if UNFINISHED not in name and name.partition("/")[0] not in skipped)


def _note_of(root: Path, unit: str) -> Path:
    return root / FOLDER / "units" / f"{hashlib.sha256(unit.encode()).hexdigest()[:32]}.json"


def place(target: Path, path: str) -> Path:
    """Where a file of a unit lies; a manifest cannot name one outside of it.

    Raises:
        StoreError: If it does.
    """
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise StoreError(f"a manifest of the object store names {path[:100]!r}, outside of {target}; it is not used")
    return target / path if path else target
