import pytest

from xmas_assets_tests.families import FAMILIES
from xmas_assets_tests.families.worlds import World, load_world


@pytest.fixture(scope="session", params=list(FAMILIES))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Each family's tiny model in turn; it is shared, so no test may change it."""
    return load_world(request.param, FAMILIES[request.param](tmp_path_factory.mktemp(request.param)))
