"""Where MLflow's runs of a home go: our own SQLite file, or a database or server named in ``mlflow/tracking.yaml``."""

import os
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.plain_yaml import read_yaml
from xmas_assets.home.home import Home

_DRIVER = "postgresql+psycopg2"
_DATABASES = {"postgresql", "postgres", _DRIVER}
_PORTS = {"http": 80, "https": 443} | dict.fromkeys(_DATABASES, 5432)
_KEYS = ("uri", "artifacts")
_SECONDS = 3.0  # for a server to answer, before its records are left for later


class TrackingStore(NamedTuple):
    """One MLflow store.

    Attributes:
        uri: Its address, which may hold a password: print ``shown`` instead.
        artifacts: Where a new experiment keeps its files; None where MLflow's server decides.
        is_own: Whether it is the SQLite file below the home.
    """

    uri: str
    artifacts: str | None
    is_own: bool = False

    @classmethod
    def of(cls, home: Home, uri: str = "") -> "TrackingStore":
        """The store of a home, or the one at ``uri``.

        Raises:
            SettingsError: If the home's settings of it cannot be used.
        """
        folder = home.path("mlflow")
        files = (folder / "artifacts").as_uri()
        path = folder / "tracking.yaml"
        if uri:
            return cls(uri, files)
        if not path.exists():
            return cls(f"sqlite:///{folder}/mlflow.db", files, is_own=True)
        settings = read_yaml(path)
        if unknown := sorted(set(settings).difference(_KEYS)):
            raise SettingsError(f"{path}: {unknown[0]!r} is not known; it may hold {' and '.join(_KEYS)}")
        address, artifacts = _address(path, settings), settings.get("artifacts")
        if artifacts is not None and (not isinstance(artifacts, str) or "://" not in artifacts):
            raise SettingsError(f"{path}: artifacts is {artifacts!r}; write an address such as s3://bucket/mlflow")
        return cls(address, artifacts or (None if address.startswith("http") else files))

    @property
    def is_server(self) -> bool:
        """Whether it is a server of MLflow's, which has a UI already."""
        return urlsplit(self.uri).scheme in {"http", "https"}

    @property
    def shown(self) -> str:
        """Its address without a password."""
        return without_password(self.uri, self.uri)

    @property
    def page(self) -> str:
        """The root of a server's pages for a browser: without a name or a password, and no slash at the end."""
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"

    def check_reachable(self) -> None:
        """Raise ``OSError`` if no server answers there: MLflow itself would try for minutes."""
        parts = urlsplit(self.uri)
        if not parts.hostname or parts.scheme not in _PORTS:
            return
        place = (parts.hostname, parts.port or _PORTS[parts.scheme])
        try:
            socket.create_connection(place, timeout=_SECONDS).close()
        except OSError as error:
            raise OSError(f"{place[0]}:{place[1]} does not answer: {error.strerror or error}") from None


def without_password(text: str, address: str) -> str:
    """A text in which the password of an address is three stars."""
    for password in _passwords(address):
        text = text.replace(password, "***")
    return text


def has_password(address: str) -> bool:
    """Whether an address holds a password."""
    return bool(_passwords(address))


def _passwords(address: str) -> list[str]:
    """The password in an address as it stands there and as it is meant, the longer first."""
    try:
        parts = urlsplit(address)
        found = [parts.password or "", *parse_qs(parts.query).get("password", [])]
    except ValueError:  # it is no address
        return []
    return sorted({form for text in found if text for form in (text, unquote(text))}, key=len, reverse=True)


def _address(path: Path, settings: Mapping[str, Any]) -> str:
    """The address that the settings hold, or the variable of the environment that they name."""
    given = settings.get("uri")
    if isinstance(given, dict) and list(given) == ["env"] and isinstance(given["env"], str):
        address = os.environ.get(given["env"], "")
        where = f"the variable {given['env']}, which {path} names,"
        if not address:
            raise SettingsError(f"{where} is not set; set it to the address of MLflow's database or server")
    elif isinstance(given, str):
        address, where = given, f"{path}: uri"
        if has_password(address):
            raise SettingsError(
                f"{where} holds a password; put the address into a variable, and write uri: {{env: NAME}}"
            )
    else:
        raise SettingsError(f"{path}: needs uri: ADDRESS, or uri: {{env: NAME}} for one with a password")
    try:
        scheme = urlsplit(address).scheme
        _ = urlsplit(address).port
    except ValueError:
        scheme = ""
    if scheme not in _PORTS:
        raise SettingsError(f"{where} is no address of a store; write postgresql://USER@HOST/NAME or http://HOST:PORT")
    if scheme not in _DATABASES:
        return address
    if find_spec("psycopg2") is None:
        raise SettingsError(f"{where} is a PostgreSQL database; run: pip install 'xmas-assets[postgres]'")
    return f"{_DRIVER}{address.removeprefix(scheme)}"  # SQLAlchemy takes the bare name for another driver
