"""One server for the folder; each test has a prefix of its own."""

from collections.abc import Iterator

import pytest

from xmas_assets.home.home import Home
from xmas_assets_tests.remote.server import ACCESS, BUCKET, Door, door_to, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Address of the server."""
    with s3_server() as address:
        yield address


@pytest.fixture
def address(s3: str, tmp_path, monkeypatch) -> str:
    """Address of a home that is not there yet; the environment says how it is reached."""
    for name, value in (ACCESS | {"AWS_ENDPOINT_URL": s3}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XMAS_SCRATCH", str(tmp_path / "scratch"))
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def machine(address, tmp_path, monkeypatch):
    """Opens the home on a machine of a name."""

    def open_on(name: str) -> Home:
        monkeypatch.setenv("XMAS_SCRATCH", str(tmp_path / name))
        return Home.open(address)

    return open_on


@pytest.fixture
def door(s3: str, address: str, monkeypatch) -> Iterator[Door]:
    """A door through which the test goes to the server."""
    with door_to(s3) as door:
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.address)
        yield door
