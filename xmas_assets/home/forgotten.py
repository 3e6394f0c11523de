"""What a home keeps of rows that are to be forgotten, and the removal of all that was made of a dataset."""

from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from xmas_assets.contracts.artifacts import check_dataset_name
from xmas_assets.contracts.errors import StoreError
from xmas_assets.data.forgotten import NOTHING_FORGOTTEN, Forgotten
from xmas_assets.files.notes import note_bytes
from xmas_assets.files.whole import remove, replacing
from xmas_assets.home.answers import forget_answers
from xmas_assets.home.costs import StageCosts

LIST = ".forgotten.json"


def forgotten_path(root: Path, dataset: str) -> Path:
    """The list of a dataset's forgotten rows, beside its registration."""
    return root / "datasets" / f"{check_dataset_name(dataset)}{LIST}"


def read_forgotten(root: Path, dataset: str) -> Forgotten:
    """The rows of a dataset that are forgotten.

    Raises:
        StoreError: If the list cannot be read: then rows could come back.
    """
    path = forgotten_path(root, dataset)
    try:
        return Forgotten.model_validate_json(note_bytes(path))
    except FileNotFoundError:
        return NOTHING_FORGOTTEN
    except (OSError, ValueError, ValidationError):
        raise StoreError(f"{path} is damaged; take it from a backup, or remove it and forget its rows again") from None


def write_forgotten(root: Path, dataset: str, forgotten: Forgotten) -> None:
    """Write the list, whole."""
    with replacing(forgotten_path(root, dataset)) as unfinished:
        unfinished.write_text(forgotten.model_dump_json(), encoding="utf-8")


def merge_forgotten(here: Path, other: Path) -> bool:
    """Add the rows of another machine's list to one that was changed too; False of files that are no lists.

    The removal is done where the other says so and nothing is added to it.
    """
    if not here.name.endswith(LIST):
        return False
    try:
        mine, theirs = (Forgotten.model_validate_json(note_bytes(path)) for path in (here, other))
    except (OSError, ValueError, ValidationError):
        return False
    both = {name: getattr(mine, name) | getattr(theirs, name) for name in ("contents", "ids", "images")}
    is_done = theirs.is_done and mine.contents <= theirs.contents and mine.ids <= theirs.ids
    with replacing(here) as unfinished:
        unfinished.write_text(Forgotten(**both, is_done=is_done).model_dump_json(), encoding="utf-8")
    return True


def places_of(dataset: str) -> tuple[list[str], tuple[str, str]]:
    """Where what was made of a dataset lies below a home: patterns of folders, and of the partitions in them."""
    partitions = (quote(dataset, safe=""), f"{quote(dataset + '|', safe='')}*")
    work = [f"work/*/{partition}" for partition in partitions]
    return [f"tables/*/dataset={dataset}", f"reports/{dataset}", *work], partitions


def remove_made(root: Path, dataset: str, costs: StageCosts) -> list[Path]:
    """Remove everything that was made from a dataset; returns where links led that stood for folders of it."""
    patterns, partitions = places_of(dataset)
    folders = [folder for pattern in patterns for folder in root.glob(pattern)]
    led_to = [folder.resolve() for folder in folders if folder.is_symlink()]
    for folder in folders:
        remove(folder)
    for partition in partitions:
        costs.forget(partition)
    forget_answers(root)
    return led_to
