"""The state of a home in an object store: one index names the manifest of every unit, and a manifest its files.

Files and manifests are objects named by their unit and their content; only the index is ever changed, by who saw its
last state. So a unit is there once the index says so, and what was cut off before is not. What a unit no longer names
is deleted. Readers ask for no listing, which a store may give late.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.notes import json_value
from xmas_assets.files.objects import GoneError, ObjectStore
from xmas_assets.files.whole import file_sha256

_INDEX = "index.json"
_MOST_TRIES = 50


@dataclass(frozen=True)
class Manifest:
    """The files of a unit.

    Attributes:
        files: Hex SHA-256 by path below the unit; by "" where the unit is one file.
    """

    files: Mapping[str, str]

    @classmethod
    def of_bytes(cls, content: bytes) -> Self:
        """The manifest that an object holds."""
        return cls(json_value(content)["files"])

    def to_bytes(self) -> bytes:
        """The object that holds it."""
        return json.dumps({"form": 1, "files": dict(sorted(self.files.items()))}, indent=0).encode()

    @property
    def digest(self) -> str:
        """Hex SHA-256 of its object."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


NO_FILES = Manifest({})


class RemoteIndex:
    """The units in a store, as this process last saw them.

    Args:
        store: Where they are.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._digests: dict[str, str] | None = None
        self._tag: str | None = None

    def refresh(self) -> None:
        """See what others have published since; raises as ``ObjectStore.get``."""
        found = self.store.get(_INDEX)
        self._tag = found.tag if found else None
        self._digests = json_value(found.content)["units"] if found else {}

    @property
    def is_there(self) -> bool:
        """Whether anything was ever published, as of the last look."""
        return self._tag is not None

    @property
    def digests(self) -> Mapping[str, str]:
        """Digest of the manifest of every unit."""
        if self._digests is None:
            self.refresh()
        return self._digests or {}

    def below(self, folder: str) -> list[str]:
        """Names, sorted, of the units that are, or are below, a folder of the home."""
        return sorted(unit for unit in self.digests if unit == folder or unit.startswith(f"{folder}/"))

    def manifest(self, unit: str) -> Manifest:
        """The files of a unit, as it is stored now if it was replaced; none of one that is not there.

        Raises:
            StoreError: If its manifest is damaged or missing.
        """
        digest = self.digests.get(unit)
        if digest is None:
            return NO_FILES
        found = self.store.get(_manifest(unit, digest))
        if found is None:
            self.refresh()
            if self.digests.get(unit) != digest:  # it was replaced since the index was read
                return self.manifest(unit)
            raise GoneError(f"{self.store.address}/{_manifest(unit, digest)}, the manifest of {unit}, is not there")
        if hashlib.sha256(found.content).hexdigest() != digest:
            raise StoreError(f"{self.store.address}/{_manifest(unit, digest)}, the manifest of {unit}, is damaged")
        return Manifest.of_bytes(found.content)

    def change(self, unit: str, new_of: Callable[[Manifest], Manifest | None]) -> None:
        """Give a unit another manifest, made from the one that is stored, whoever changes the index meanwhile.

        Args:
            unit: Its name.
            new_of: Makes the new manifest of the stored one; None removes the unit.

        Raises:
            StoreError: If the store cannot be used.
        """
        for _ in range(_MOST_TRIES):
            old = self.manifest(unit)
            new = new_of(old)
            if self.digests.get(unit) == (new and new.digest):
                return
            digests = {name: digest for name, digest in self.digests.items() if name != unit}
            if new is not None:
                self.store.put(_manifest(unit, new.digest), new.to_bytes())
                digests[unit] = new.digest
            content = json.dumps({"form": 1, "units": dict(sorted(digests.items()))}, indent=0).encode()
            tag = self.store.put_if(_INDEX, content, self._tag)
            if tag is not None:
                before, self._digests, self._tag = self.digests.get(unit), digests, tag
                self._delete_old(unit, before, old, new or NO_FILES)
                return
            self.refresh()  # another machine was quicker, or the answer was lost
        raise StoreError(f"{self.store.address}/{_INDEX} is changed all the time by others; run again")

    def announce(self, unit: str) -> None:
        """Put which unit it is that files will be put of, so that they can be told if nothing ever names them."""
        if unit not in self.digests:
            self.store.put(_announced(unit), unit.encode())

    def put_file(self, unit: str, source: Path, sha256: str) -> bool:
        """Store a file of a unit under its hash, unless it is there; returns whether it was not."""
        is_new = not self.store.has(_file(unit, sha256))
        if is_new:
            self.store.put(_file(unit, sha256), source)
        return is_new

    def fetch_file(self, unit: str, sha256: str, target: Path) -> None:
        """Write a stored file of a unit.

        Raises:
            GoneError: If it is not there.
            StoreError: If it is not what it was.
        """
        name = _file(unit, sha256)
        self.store.fetch(name, target)
        if file_sha256(target) != sha256:
            raise StoreError(f"{self.store.address}/{name}, of {unit}, is damaged; delete that object, then run again")

    def delete_file(self, unit: str, sha256: str) -> None:
        """Delete a stored file that its unit does not name."""
        self.store.delete([_file(unit, sha256)])

    def drop(self, units: list[str]) -> None:
        """Remove units and their objects; raises as ``change``."""
        for unit in units:
            self.change(unit, lambda _: None)

    def sweep(self, is_meant: Callable[[str], bool]) -> None:
        """Delete what killed commands left of units that are not there.

        Args:
            is_meant: Whether nobody can be publishing a unit of this name. What was never announced was put by earlier
                versions, and goes too.

        Raises:
            StoreError: If the store cannot be used.
        """
        self.refresh()
        named = {_folder(unit) for unit in self.digests}
        left: dict[str, list[str]] = {}
        for kind in ("files", "manifests", "names"):  # in this order they go, so that a kill leaves them known
            for name in self.store.names(kind):
                folder = name.split("/")[1]
                if folder not in named:
                    left.setdefault(folder, []).append(name)
        for folder, names in left.items():
            found = self.store.get(f"names/{folder}")
            if found is None or is_meant(found.content.decode()):
                self.store.delete(names)

    def _delete_old(self, unit: str, before: str | None, old: Manifest, new: Manifest) -> None:
        gone = sorted({*old.files.values()} - {*new.files.values()})
        manifests = [_manifest(unit, before)] if before is not None and before != new.digest else []
        announced = [] if unit in self.digests else [_announced(unit)]
        self.store.delete([*(_file(unit, sha256) for sha256 in gone), *manifests, *announced])


def _file(unit: str, sha256: str) -> str:
    return f"files/{_folder(unit)}/{sha256}"


def _manifest(unit: str, digest: str) -> str:
    return f"manifests/{_folder(unit)}/{digest}"


def _announced(unit: str) -> str:
    return f"names/{_folder(unit)}"


def _folder(unit: str) -> str:
    return hashlib.sha256(unit.encode()).hexdigest()[:20]
