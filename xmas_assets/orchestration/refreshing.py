"""Look whether a dataset's files are those that were read, and what has to be made again if they are not."""

from typing import NamedTuple

from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.status import dataset_status
from xmas_assets.stages.file_changes import FileChange, file_changes, note_stored_files


class Refreshed(NamedTuple):
    """What a look found.

    Attributes:
        changes: Of the files.
        stale: Assets that have to be made again: name, how many partitions, and why.
        next: Commands that do so.
    """

    changes: list[FileChange]
    stale: list[tuple[str, int, str]]
    next: list[str]


def refresh(platform: Platform, dataset: str) -> Refreshed:
    """Look at a dataset's files, and tell Dagster what changed; nothing is made.

    Raises:
        StoreError: If the dataset was not read yet.
    """
    note_stored_files(platform.home, dataset)
    status = dataset_status(platform, dataset)
    stale = {state.asset for state in status.assets if state.stale}
    found = []
    for state in status.assets:
        above = [asset for asset in platform.links.behind([state.asset]) if asset in stale - {state.asset}]
        if state.stale:
            found.append((state.asset, state.stale, state.why))
        elif state.fresh and above:
            found.append((state.asset, state.fresh, f"if {above[0]} comes out as another"))
    return Refreshed(file_changes(platform.home, dataset), found, status.next if found else [])
