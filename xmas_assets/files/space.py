"""Room on the disk: asked for before long work, so that it is not the last shard that finds the disk full."""

import shutil
from pathlib import Path

from xmas_assets.contracts.errors import StoreError


def require_space(directory: Path, n_bytes: int, what: str) -> None:
    """Refuse work whose results would not fit on the disk.

    Args:
        directory: Where they will be written; exists.
        n_bytes: How much they take.
        what: They, in words, as the subject of a sentence in the plural.

    Raises:
        StoreError: If the disk has less room.
    """
    if not has_space(directory, n_bytes):
        n_free = shutil.disk_usage(directory).free
        raise StoreError(
            f"{what} take {n_bytes / 1e9:.1f} GB, and the disk of {directory} has {n_free / 1e9:.1f} GB free; free "
            "some space, or set XMAS_HOME to a folder on a larger disk, then run again"
        )


def has_space(directory: Path, n_bytes: int) -> bool:
    """Whether the disk of a folder that exists has room for so many bytes."""
    return n_bytes <= shutil.disk_usage(directory).free


def folder_bytes(*folders: Path) -> int:
    """Bytes of all files in folders, which need not be there; a file with several names counts once."""
    stats = [path.stat() for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in stats}.values())
