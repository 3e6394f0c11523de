"""What stored tables and checkpoints hold: compared with what was put there, once per file and change.

The contents are remembered by place, with the stamps of the files. So a table that was damaged, cut short or exchanged
for another one is found when it is next read for a result, without reading it again each time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.model_content import model_digest, model_files
from xmas_assets.files.notes import note_bytes
from xmas_assets.files.whole import file_stamps, remove_unfinished, replacing
from xmas_assets.home.stored_tables import StoredTables, read_checkpoints
from xmas_assets.store.reading import SUFFIX, remedy_for

_Stamp = tuple[str, int, int, int, int]


class _Known(BaseModel):
    """What is known of a folder of tables: their version, the checkpoints that they name, and the stamps of all files.

    The stamps of the tables' files come first, then those of each checkpoint's. ``is_put`` is false of what was found
    there, sound in itself.
    """

    is_put: bool
    version: str
    checkpoints: list[str]
    stamps: list[list[_Stamp]]


class _Memory(BaseModel):
    form: Literal[1] = 1  # raised when the file's form changes
    known: dict[str, _Known] = {}


@dataclass
class Contents:
    """The known contents of a home.

    Attributes:
        root: The home's folder.
        path: File that remembers; after it is deleted, everything is read once more.
        lock: Held while that is written.
    """

    root: Path
    path: Path
    lock: Path
    _memory: _Memory | None = field(default=None)

    def version(self, directory: Path) -> str | None:
        """Version of the tables in a folder whose contents are known and unchanged; None if they have to be checked."""
        known = self._known().get(self._place(directory))
        return known.version if known and known.stamps == self._stamps(directory, known.checkpoints) else None

    def check(self, tables: StoredTables) -> None:
        """Check that tables, and the checkpoints that they name, are what was put there.

        Raises:
            StoreError: Naming the file or checkpoint that is not.
        """
        if self.version(tables.directory) is not None:
            return
        self._memory = None  # another process may have put them there
        if self.version(tables.directory) is not None:
            return
        remedy = remedy_for(tables.directory)
        for table in tables.values():
            if table.read_digest() != table.digest:
                raise StoreError(f"{table.path} is damaged (its rows are not those that were written); {remedy}")
        known = self._known().get(self._place(tables.directory))
        is_put = known is not None and known.is_put
        if known is not None and is_put and known.version != tables.version:
            raise StoreError(f"{tables.directory} holds other tables than were put there; {remedy}")
        for checkpoint in self._checkpoints(tables):
            if not checkpoint.path.is_dir() or model_digest(checkpoint.path) != checkpoint.digest:
                raise StoreError(f"{checkpoint.path} is missing or not the checkpoint that was saved; {remedy}")
        self._remember(tables, is_put=is_put)

    def put(self, tables: StoredTables) -> None:
        """Remember tables that have just been put in their place."""
        self._remember(tables, is_put=True)

    def forget(self, directory: Path) -> None:
        """Know nothing of the tables in a folder, or below it: they came from elsewhere."""
        place = self._place(directory)
        with self._changing() as known:
            for other in [name for name in known if name == place or name.startswith(f"{place}/")]:
                del known[other]

    def _remember(self, tables: StoredTables, *, is_put: bool) -> None:
        checkpoints = [str(checkpoint.path.relative_to(self.root)) for checkpoint in self._checkpoints(tables)]
        stamps = self._stamps(tables.directory, checkpoints)
        new = _Known(is_put=is_put, version=tables.version, checkpoints=checkpoints, stamps=stamps)
        with self._changing() as known:
            known[self._place(tables.directory)] = new

    @contextmanager
    def _changing(self) -> Iterator[dict[str, _Known]]:
        """What is known of the folders that are there, to be changed and then written."""
        self.lock.parent.mkdir(exist_ok=True)
        with FileLock(self.lock):
            self._memory = None
            remove_unfinished(self.path.parent, of=self.path.name)
            kept = {place: known for place, known in self._known().items() if (self.root / place).is_dir()}
            yield kept
            self._memory = _Memory(known=kept)
            with replacing(self.path) as unfinished:
                unfinished.write_text(self._memory.model_dump_json(), encoding="utf-8")

    def _known(self) -> dict[str, _Known]:
        if self._memory is None:
            try:
                self._memory = _Memory.model_validate_json(note_bytes(self.path))
            except (OSError, ValueError):
                self._memory = _Memory()  # everything is read once more
        return self._memory.known

    def _place(self, directory: Path) -> str:
        return str(directory.relative_to(self.root))

    def _checkpoints(self, tables: StoredTables) -> list[Checkpoint]:
        table = tables.get("checkpoints")
        return list(read_checkpoints(table, self.root)) if table is not None else []

    def _stamps(self, directory: Path, checkpoints: list[str]) -> list[list[_Stamp]]:
        folders = [sorted(directory.glob(f"*{SUFFIX}")), *(model_files(self.root / path) for path in checkpoints)]
        return [file_stamps(folder) for folder in folders]
