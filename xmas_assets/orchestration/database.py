"""Dagster's database: a file below the home, or a server that ``dagster.yaml`` names; and what to do where it fails."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.messages import first_line
from xmas_assets.data.plain_yaml import read_yaml
from xmas_assets.files.space import has_space
from xmas_assets.home.home import Home
from xmas_assets.home.tracking_store import has_password, without_password

_LEAST_BYTES = 1 << 20  # that a database needs to write on
_DRIVER = "postgresql+psycopg2"
_SECONDS = 5  # for a server to answer


def check_database(settings: Path) -> None:
    """Refuse, in one line, a PostgreSQL database that cannot be used; Dagster would try for long, and say more.

    Args:
        settings: The home's ``dagster.yaml``; a database that it does not name as ``storage: postgres:`` is not tried.

    Raises:
        StoreError: If something is missing, or the database does not answer.
    """
    given = _postgres(settings)
    if given is None:
        return
    if find_spec("dagster_postgres") is None or find_spec("psycopg2") is None:
        raise StoreError(f"{settings} names a PostgreSQL database; run: pip install 'xmas-assets[postgres]'")
    if (scheme := given.get("postgres_db", {}).get("scheme", _DRIVER)) != _DRIVER:
        raise StoreError(f"{settings}: scheme is {scheme!r}; write scheme: {_DRIVER}")
    if "postgres_db" in given:
        if "scheme" not in given["postgres_db"]:
            raise StoreError(f"{settings}: postgres_db needs scheme: {_DRIVER}, or another driver is looked for")
        if isinstance(given["postgres_db"].get("password"), str):
            raise _open_password(settings)
        return
    if address := _address(given):
        if not isinstance(given["postgres_url"], dict) and has_password(address):
            raise _open_password(settings)
        _try(address, settings)
    elif isinstance(given.get("postgres_url"), dict):
        name = given["postgres_url"].get("env")
        raise StoreError(
            f"the variable {name}, which {settings} names, is not set; set it to the address of a database"
        )


def explain_database(error: Exception, home: Home) -> str | None:
    """What to do about Dagster's database, in one line, if that is what an error comes from; None if not."""
    cause = next((each for each in _causes(error) if isinstance(each, DatabaseError)), None)
    is_database = isinstance(error, DatabaseError) or type(error).__name__ == "DagsterPostgresException"
    if cause is None or not is_database:
        return None
    if not has_space(home.path(), _LEAST_BYTES):
        return f"the disk of {home.path()} is full; free some space, then run again: finished work is kept"
    given = _postgres(home.path("dagster") / "dagster.yaml")
    if given is not None:
        address = _address(given)
        where = f"at {without_password(address, address)} " if address else ""
        said = without_password(first_line(cause), address)
        return f"Dagster's database {where}failed ({said}); see that it runs, then run again: finished work is kept"
    return (
        f"Dagster's database below {home.path('dagster')} cannot be used ({first_line(cause)}); if it is damaged, move "
        "that folder away and run again: finished work is found, and not repeated"
    )


def _postgres(settings: Path) -> dict[str, Any] | None:
    """What the settings say of a PostgreSQL database; None if they name none, or cannot be read (Dagster says why)."""
    try:
        storage = read_yaml(settings).get("storage")
    except SettingsError:
        return None
    given = storage.get("postgres") if isinstance(storage, dict) else None
    if not isinstance(given, dict) or not isinstance(given.get("postgres_db", {}), dict):
        return None
    return given


def _address(given: dict[str, Any]) -> str:
    """The address that the settings hold or name a variable for; empty if there is none."""
    address = given.get("postgres_url", "")
    if isinstance(address, dict):
        address = os.environ.get(str(address.get("env")), "")
    return address if isinstance(address, str) else ""


def _open_password(settings: Path) -> StoreError:
    return StoreError(
        f"{settings} holds a password, which Dagster shows on its pages; put the address into a variable, and write "
        "postgres_url: {env: NAME}"
    )


def _try(address: str, settings: Path) -> None:
    """Connect once.

    Raises:
        StoreError: If that fails.
    """
    try:
        url = make_url(address)
        if url.drivername != _DRIVER:  # SQLAlchemy takes the bare name for a driver that Dagster does not bring
            raise StoreError(f"Dagster's database is {url.drivername}://..., see {settings}; write {_DRIVER}://...")
        engine = create_engine(url, connect_args={"connect_timeout": _SECONDS})
        try:
            engine.connect().close()
        finally:
            engine.dispose()
    except ArgumentError:
        raise StoreError(
            f"what {settings} names is no address of a database; write {_DRIVER}://USER:PASSWORD@HOST/NAME"
        ) from None
    except SQLAlchemyError as error:
        shown, said = without_password(address, address), without_password(first_line(error), address)
        raise StoreError(
            f"Dagster's database at {shown} cannot be used ({said}); start it, or see 'storage' in {settings}"
        ) from None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__
