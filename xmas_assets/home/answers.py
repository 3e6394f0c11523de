"""Where what targets answered is kept, for all datasets: by whose questions they are, and by the target's weights."""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from xmas_assets.contracts.errors import StoreError
from xmas_assets.home.stored_tables import StoredTables

ANSWERS = "answers"
_DIGITS = 16


def answers_partition(asker: str, digest: str) -> str:
    """What a target's answers are named by.

    Args:
        asker: Whose questions they are: a dataset's name, or ``benchmarks.partition_of`` of a benchmark.
        digest: Of the target's weights.
    """
    return f"{asker}|{digest[:_DIGITS]}"


def forget_answers(root: Path) -> None:
    """Delete the answers of targets that no dataset of a home has any more, such as those trained again since.

    While the table of a target cannot be read, all are kept.
    """
    with suppress(StoreError):
        folders = list(root.glob(f"work/{ANSWERS}/*"))
        for folder in forgotten_answers(root, folders):
            shutil.rmtree(folder)


def forgotten_answers(root: Path, folders: Iterable[Path]) -> list[Path]:
    """Those of the folders of partitions whose answers are of targets that no dataset of a home has any more.

    Raises:
        StoreError: If the table of a target cannot be read.
    """
    tables = [folder for folder in root.glob("tables/target_model/*/*") if any(folder.iterdir())]
    digests = [StoredTables(folder)["checkpoints"].column("digest") for folder in tables]
    kept = {digest[:_DIGITS] for of_target in digests for digest in of_target}
    return [folder for folder in folders if unquote(folder.name).rpartition("|")[2] not in kept]
