"""Whether files are those that were read, without reading them: by size and time, then by content."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from xmas_assets.contracts.errors import ImageError, StoreError
from xmas_assets.data.images import ImageRoot
from xmas_assets.files.model_content import known_sha256, model_files
from xmas_assets.files.notes import read_note
from xmas_assets.files.whole import file_sha256, is_settled, replacing, stamp_of

_UNSETTLED = "?"


class _Seen(NamedTuple):
    """A file as it was seen.

    ``stamp`` are size and time when it was last looked at, "" if it was not there, "?" if it has to be looked at again.
    ``now``, ``noted`` and ``read`` are its SHA-256 then, when it was first noted, and when it was last read; "" if it
    could not be read. ``noted_stamp`` is its stamp when it was first noted.
    """

    stamp: str
    now: str
    noted: str
    read: str
    noted_stamp: str

    @classmethod
    def of(cls, values: list[str]) -> Self:
        """From ``values``; two stand for a file that never changed, and three are of an earlier version."""
        if len(values) == 2:
            stamp, now = values
            return cls(stamp, now, now, now, stamp)
        if len(values) == 3:
            stamp, now, noted = values
            return cls(stamp, now, noted, now, stamp)
        return cls(*values)

    def values(self) -> list[str]:
        """What is written."""
        brief = [self.stamp, self.now]
        return brief if self == _Seen.of(brief) else list(self)


_ABSENT = _Seen.of(["", ""])


class FileChanges(NamedTuple):
    """Names of files, sorted, that are not as they were last read: come, changed or vanished."""

    came: list[str]
    changed: list[str]
    vanished: list[str]


class FileNotes:
    """Notes on files, such as a dataset's images.

    Args:
        path: File of the notes; it need not be there.
        status: Status of a file by its name, None if it is not there.
        content: SHA-256 (hex) of a file by its name, "" if it cannot be read.
        listed: Names of the files that are there now, where one that comes counts, too.
    """

    def __init__(
        self,
        path: Path,
        *,
        status: Callable[[str], os.stat_result | None],
        content: Callable[[str], str],
        listed: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._path, self._status, self._content, self._listed = path, status, content, listed

    @classmethod
    def of_images(cls, path: Path, images: ImageRoot) -> Self:
        """Notes on images by reference."""

        def content(ref: str) -> str:
            try:
                return hashlib.sha256(images.read(ref)).hexdigest()
            except ImageError:
                return ""

        return cls(path, status=images.status, content=content)

    @classmethod
    def of_files(cls, path: Path) -> Self:
        """Notes on files by their absolute paths."""
        return cls(path, status=_status, content=lambda name: file_sha256(Path(name)) if Path(name).is_file() else "")

    @classmethod
    def of_model(cls, path: Path, directory: Path) -> Self:
        """Notes on a model's files by their absolute paths; one that comes is another model, too."""
        return cls(
            path,
            status=_status,
            content=lambda name: known_sha256(Path(name)) if Path(name).is_file() else "",
            listed=lambda: map(str, model_files(directory)),
        )

    def is_there(self) -> bool:
        """Whether anything was noted."""
        return self._path.exists()

    def note(self, hashes: Mapping[str, str], *, began_ns: int) -> None:
        """Note files as they were just read. What was noted of them before stays their first content.

        Args:
            hashes: SHA-256 (hex) by name; "" for a file that could not be used.
            began_ns: When the reading began. A file that changed since is looked at again.
        """
        before = self._noted()
        # A file that nothing names any more, and that is another than noted, stays: without it the version would
        # change although nothing else does.
        kept = {name: seen._replace(read=seen.now) for name, seen in before.items() if seen.now != seen.noted}
        new = {name: self._seen(name, sha256, before.get(name), began_ns) for name, sha256 in hashes.items()}
        self._write(kept | new)

    def change(self) -> str:
        """A digest of the files that are others than first noted; "" while all are the same, or nothing was noted.

        Only files with another size or time are read.

        Raises:
            StoreError: If the notes are damaged.
        """
        others = [(name, seen.now) for name, seen in sorted(self._look().items()) if seen.now != seen.noted]
        return hashlib.sha256(repr(others).encode()).hexdigest() if others else ""

    def versions(self) -> dict[str, str]:
        """What stands for the content of each noted file: its first stamp, or the hash of another content."""
        return {
            name: (seen.noted_stamp if seen.now == seen.noted else seen.now) or "missing"
            for name, seen in self._look().items()
        }

    def changes(self) -> FileChanges:
        """The files that are not as they were last read; see ``change``."""
        others = [(name, seen) for name, seen in sorted(self._look().items()) if seen.now != seen.read]
        return FileChanges(
            came=[name for name, seen in others if not seen.read],
            changed=[name for name, seen in others if seen.read and seen.now],
            vanished=[name for name, seen in others if not seen.now],
        )

    def _look(self) -> dict[str, _Seen]:
        """Look at every file, and note what was seen."""
        noted = self._noted()
        come = [name for name in self._listed() if name not in noted] if self.is_there() else []
        seen = {name: self._looked_at(name, before) for name, before in (noted | dict.fromkeys(come, _ABSENT)).items()}
        if seen != noted:
            self._write(seen)
        return seen

    def _noted(self) -> dict[str, _Seen]:
        if not self._path.exists():
            return {}
        try:
            return {name: _Seen.of(values) for name, values in read_note(self._path).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self._path} is damaged; delete it, and the files that it is about count as those that were read"
            ) from error

    def _looked_at(self, name: str, before: _Seen) -> _Seen:
        stamp = stamp_of(self._status(name))
        return before if stamp == before.stamp else before._replace(stamp=stamp, now=self._content(name))

    def _seen(self, name: str, sha256: str, before: _Seen | None, began_ns: int) -> _Seen:
        status = self._status(name)
        stamp = stamp_of(status)
        now = sha256 or (self._content(name) if status is not None else "")
        # A file that changed lately may have changed while it was read.
        keeps = status is None or is_settled(status, began_ns)
        noted, noted_stamp = (now, stamp) if before is None else (before.noted, before.noted_stamp)
        return _Seen(stamp if keeps else _UNSETTLED, now, noted, now, noted_stamp)

    def _write(self, seen: Mapping[str, _Seen]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as unfinished:
            notes = {name: file.values() for name, file in seen.items()}
            unfinished.write_text(json.dumps(notes), encoding="utf-8")


def _status(name: str) -> os.stat_result | None:
    return Path(name).stat() if Path(name).is_file() else None
