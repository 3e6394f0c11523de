import pytest

from xmas_assets_tests.families import FAMILIES
from xmas_assets_tests.families.worlds import World, load_world


@pytest.fixture(scope="session")
def loaded() -> dict[str, World]:
    """What was loaded before, by family: of a parametrised fixture, pytest keeps only the latest."""
    return {}


@pytest.fixture(scope="session", params=list(FAMILIES))
def world(request: pytest.FixtureRequest, loaded: dict[str, World], tmp_path_factory: pytest.TempPathFactory) -> World:
    """Each family's tiny model in turn; it is shared, so no test may change it."""
    family = request.param
    if family not in loaded:
        loaded[family] = load_world(family, FAMILIES[family](tmp_path_factory.mktemp(family)))
    return loaded[family]
