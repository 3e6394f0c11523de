"""A real PostgreSQL server for the tests, in a temporary folder and on loopback alone, with a password."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import yaml

from xmas_assets_tests.browser.served import free_port

PASSWORD = "pw-7f3a-do-not-show"
PACKAGED = Path(__file__).parents[2] / "xmas_assets" / "instance" / "dagster.yaml"
_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")  # power does not fail in a test


def missing() -> str:
    """What a real PostgreSQL lacks on this machine, with the remedy; empty if it is all there."""
    if _binaries() is None:
        return "no PostgreSQL server on this machine: install Debian's 'postgresql'"
    if find_spec("dagster_postgres") is None or find_spec("psycopg2") is None:
        return "dagster-postgres and psycopg2 are not installed: pip install 'xmas-assets[postgres]'"
    return ""


needs_drivers = pytest.mark.skipif(
    find_spec("dagster_postgres") is None or find_spec("psycopg2") is None,
    reason="dagster-postgres and psycopg2 are not installed: pip install 'xmas-assets[postgres]'",
)


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        port: Where it listens on 127.0.0.1.
    """

    port: int

    def address(self, database: str, *, password: str = PASSWORD) -> str:
        """Address of a database, with the password in it."""
        return f"postgresql+psycopg2://xmas:{password}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database; returns its address."""
        with closing(self._connection("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {database}")
        return self.address(database)

    def ask(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with closing(self._connection(database)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def dump(self, database: str) -> bytes:
        """All that a database holds, as text."""
        binaries = _binaries()
        assert binaries is not None
        words = ["--no-password", "--host=127.0.0.1", f"--port={self.port}", "--username=xmas", database]
        environment = os.environ | {"PGPASSWORD": PASSWORD}
        return subprocess.run([binaries / "pg_dump", *words], env=environment, capture_output=True, check=True).stdout

    def _connection(self, database: str) -> Any:
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="xmas", password=PASSWORD, dbname=database)
        connection.autocommit = True
        return connection


@contextmanager
def serve(*, fast: bool = True) -> Iterator[Server]:
    """Start a server of its own, wait until it answers, and end it and remove its folder afterwards.

    Args:
        fast: Whether it does without waiting for the disk.
    """
    binaries, who = _binaries(), _user()
    assert binaries is not None
    folder = Path(mkdtemp(prefix="xmas-pg-"))  # a folder of pytest's cannot be entered by another user
    (folder / "password").write_text(PASSWORD)
    if who:
        for path in (folder, folder / "password"):
            shutil.chown(path, user=who["user"], group=who["group"])
    port = free_port()
    options: dict[str, Any] = {"cwd": folder, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **who}
    data = folder / "data"
    try:
        words = [
            "--username=xmas",
            "--auth=scram-sha-256",
            f"--pwfile={folder / 'password'}",
            "--encoding=UTF8",
            "--locale=C",
        ]
        subprocess.run([binaries / "initdb", "-D", data, "--no-sync", *words], check=True, **options)
        settings = (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            *(_FAST if fast else ()),
        )
        flags = [word for setting in settings for word in ("-c", setting)]
        control = [binaries / "pg_ctl", "-D", data, "-w"]
        subprocess.run(
            [*control, "-l", folder / "log", "-o", " ".join(flags), "start"],
            check=True,
            **options | {"stdout": subprocess.DEVNULL},  # the server would keep a pipe open
        )
        try:
            yield Server(port)
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, **options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def use(home: Path, server: Server, name: str) -> dict[str, str]:
    """Let a home keep the records of Dagster and of MLflow in two databases; returns the variables that hold both."""
    (home / "dagster").mkdir(parents=True)
    (home / "mlflow").mkdir()
    settings = yaml.safe_load(PACKAGED.read_text()) | {
        "storage": {"postgres": {"postgres_url": {"env": "XMAS_DAGSTER_DB"}}}
    }
    (home / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(settings))
    (home / "mlflow" / "tracking.yaml").write_text("uri: {env: XMAS_MLFLOW_URI}\n")
    return {"XMAS_DAGSTER_DB": server.create(f"{name}_dagster"), "XMAS_MLFLOW_URI": server.create(f"{name}_mlflow")}


def _binaries() -> Path | None:
    """The folder of the server's programs: where Debian puts them, or on the path."""
    found = shutil.which("postgres")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True) + ([Path(found).parent] if found else [])
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def _user() -> dict[str, Any]:
    """Who the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in names else "nobody"
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
