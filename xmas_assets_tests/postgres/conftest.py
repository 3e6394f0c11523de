"""One PostgreSQL server for the tests of this folder, or the plain reason why there is none."""

import os
from collections.abc import Iterator

import pytest

from xmas_assets_tests.postgres.server import Server, missing, serve


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server; each test makes databases of its own in it."""
    if lacks := missing():
        pytest.skip(lacks)
    with serve() as server:
        yield server


@pytest.fixture(autouse=True, scope="module")
def dagster_home() -> Iterator[None]:
    """Keep the variable that opening an instance sets from the tests that follow."""
    before = os.environ.get("DAGSTER_HOME")
    yield
    os.environ.pop("DAGSTER_HOME", None)
    if before is not None:
        os.environ["DAGSTER_HOME"] = before
