"""What each stage's result took of the machine, one small file per stage and partition."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.usage import Usage, largest
from xmas_assets.files.usage_notes import read_usage, write_usage


@dataclass(frozen=True)
class StageCosts:
    """The costs noted in a folder."""

    folder: Path

    def of(self, partition: str, *stages: str) -> Usage | None:
        """What the stages' results took, added up; None if none of them was ever made.

        Stages that one piece of work made together count once, as the longest of them.

        Raises:
            StoreError: If a note is damaged.
        """
        by_work: dict[str, list[Usage]] = {}
        for note in (read_usage(self._path(stage, partition)) for stage in stages):
            if note is not None:
                by_work.setdefault(note[0], []).append(note[1])
        return sum(map(largest, by_work.values()), start=Usage()) if by_work else None

    def note(self, stage: str, partition: str, key: str, usage: Usage) -> None:
        """Note what a stage's result took; the same result found again does not look cheaper."""
        path = self._path(stage, partition)
        try:
            before = read_usage(path)
        except StoreError:  # which is over now
            before = None
        same = [before[1]] if before and before[0] == key else []
        write_usage(path, largest([*same, usage]), key=key)

    def total(self, dataset: str) -> Usage:
        """What all that is noted of a dataset and its selections took."""
        patterns = (quote(dataset, safe=""), f"{quote(dataset + '|', safe='')}*")
        paths = [path for pattern in patterns for path in self.folder.glob(f"*/{pattern}.json")]
        stages = sorted({path.parent.name for path in paths})
        partitions = sorted({unquote(path.stem) for path in paths})
        parts = [self.of(partition, *stages) for partition in partitions]
        return sum((part for part in parts if part is not None), start=Usage())

    def forget(self, partition: str) -> None:
        """Remove what was noted of a partition; a glob pattern stands for several."""
        for path in self.folder.glob(f"*/{partition}.json"):
            path.unlink()

    def _path(self, stage: str, partition: str) -> Path:
        return self.folder / stage / f"{quote(partition, safe='')}.json"
