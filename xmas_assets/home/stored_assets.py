"""The stored tables of a home's assets: where they are, put there whole, and read as what was put there."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from xmas_assets.home.contents import Contents
from xmas_assets.home.remote import RemoteHome
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.home.working_copy import WorkingCopy
from xmas_assets.store.reading import SUFFIX
from xmas_assets.store.tables import move_tables, partition_directory


@dataclass(frozen=True)
class StoredAssets:
    """The tables below a home's folder.

    Attributes:
        root: Absolute path; exists and can be written.
    """

    root: Path

    def table_directory(self, asset: str, partition: str) -> Path:
        """Folder of one asset's tables for a partition key such as ``shapes`` or ``shapes|xmas_b0.20_s0``."""
        names = ("dataset", "selection")
        keys = dict(zip(names, partition.split("|"), strict=False))
        return partition_directory(self.root / "tables", asset, **keys)

    def stored(self, asset: str, partition: str) -> StoredTables:
        """One asset's stored tables, which hold what was put there.

        Raises:
            StoreError: If it was not made yet; or if a table, or a checkpoint that one names, is damaged, missing or
                another than was put there.
        """
        tables = StoredTables(self._brought(asset, partition))
        if self.copy:
            self.copy.bring_checkpoints(tables)
        self.contents.check(tables)
        return tables

    def put(self, asset: str, partition: str, staged: StoredTables) -> StoredTables:
        """Replace an asset's stored tables by staged ones, whole or not at all, and remember what they hold.

        Raises:
            StoreError: If the folder cannot be written.
        """
        directory = self.table_directory(asset, partition)
        move_tables(staged.directory, directory)
        tables = StoredTables(directory)
        self.contents.put(tables)
        if self.copy:
            self.copy.publish_tables(directory, asset=asset)
        return tables

    def stored_version(self, asset: str, partition: str) -> str:
        """``stored(...).version``, without opening tables that are known and unchanged.

        Raises:
            StoreError: As ``stored``.
        """
        known = self.contents.version(self._brought(asset, partition))
        return known or self.stored(asset, partition).version

    def is_stored(self, asset: str, partition: str, table: str = "*") -> bool:
        """Whether an asset's partition has tables, or this table, on the disk."""
        return any(self._brought(asset, partition).glob(f"{table}{SUFFIX}"))

    def stored_partitions(self, asset: str, dataset: str) -> list[str]:
        """Partition keys, sorted, of a dataset's selections that an asset has tables of."""
        folders = self._brought(asset, dataset).glob("selection=*")
        names = (unquote(folder.name.removeprefix("selection=")) for folder in folders if any(folder.iterdir()))
        return sorted(f"{dataset}|{name}" for name in names)

    @cached_property
    def contents(self) -> Contents:
        """What the stored tables and checkpoints hold."""
        return Contents(self.root, self.root / "contents.json", self.root / "locks" / "contents.lock")

    @cached_property
    def copy(self) -> WorkingCopy | None:
        """What follows the object store that the home is in; None of a home on this disk."""
        remote = RemoteHome.of(self.root)
        return WorkingCopy(remote) if remote else None

    def _brought(self, asset: str, partition: str) -> Path:
        """The folder of an asset's tables, which are on this machine as they were last published."""
        directory = self.table_directory(asset, partition)
        if self.copy and self.copy.remote.fetch(str(directory.relative_to(self.root))):
            self.contents.forget(directory)
        return directory
