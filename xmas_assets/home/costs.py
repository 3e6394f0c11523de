"""What each stage's result took in CPU seconds, one small file per stage and partition."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xmas_assets.files.whole import replacing


@dataclass(frozen=True)
class StageCosts:
    """The costs noted in a folder."""

    folder: Path

    def cpu_seconds(self, partition: str, *stages: str) -> float | None:
        """CPU seconds that the stages' results took, all threads; None if none of them was ever made.

        Stages that one piece of work made together count once, as the longest of them.
        """
        by_work: dict[str, float] = {}
        for path in (self._path(stage, partition) for stage in stages):
            if path.exists():
                cost = json.loads(path.read_text())
                by_work[cost["key"]] = max(cost["cpu_seconds"], by_work.get(cost["key"], 0.0))
        return sum(by_work.values()) if by_work else None

    def note(self, stage: str, partition: str, key: str, cpu_seconds: float) -> None:
        """Note what a stage's result took; the same result found again does not look cheaper."""
        path = self._path(stage, partition)
        before: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"key": ""}
        if before["key"] == key:
            cpu_seconds = max(cpu_seconds, before["cpu_seconds"])
        with replacing(path) as unfinished:
            unfinished.write_text(json.dumps({"key": key, "cpu_seconds": cpu_seconds}))

    def forget(self, partition: str) -> None:
        """Remove what was noted of a partition; a glob pattern stands for several."""
        for path in self.folder.glob(f"*/{partition}.json"):
            path.unlink()

    def _path(self, stage: str, partition: str) -> Path:
        return self.folder / stage / f"{quote(partition, safe='')}.json"
