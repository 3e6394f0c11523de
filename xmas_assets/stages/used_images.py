"""Images in the home's store that no row has any more."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from xmas_assets.contracts.errors import StoreError
from xmas_assets.data.images import STORE_PREFIX
from xmas_assets.home.benchmarks import ITEMS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import list_values_among
from xmas_assets.store.reading import SUFFIX, Table

_COLUMN = "images"


def remove_images(home: Home, references: Iterable[str], *, also_used: Iterable[Table] = ()) -> int:
    """Remove stored images that no table of the home names; returns how many there were.

    Args:
        home: The platform's folder.
        references: Of images; those that are no stored ones are files of a user's own, and stay.
        also_used: Tables that are not in their place yet.
    """
    gone = {reference for reference in references if reference.startswith(STORE_PREFIX)}
    for table in (*also_used, *(_tables(home) if gone else ())):
        gone -= list_values_among(table, _COLUMN, gone)
    paths = [home.image_store() / reference.removeprefix(STORE_PREFIX) for reference in gone]
    there = [path for path in paths if path.is_file()]
    for path in there:
        path.unlink()
    return len(there)


def _tables(home: Home) -> Iterator[Table]:
    """Every table of samples and of benchmarks' questions: stored ones, and staged ones in work."""
    if home.copy:
        home.copy.remote.fetch(f"work/{ITEMS}")
    for place in (home.tables(), home.path("work")):
        for name in ("samples", "test", "items"):
            for path in sorted(place.rglob(f"{name}{SUFFIX}")):
                with suppress(StoreError):  # of work that is not finished; what is stored is checked where it is read
                    yield Table.open(path)
