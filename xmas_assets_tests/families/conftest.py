import pytest

from xmas_assets_tests.families import FAMILIES, MOST_USED
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


#: Modules of which a family takes ten seconds and more; here three more of other forms are among the quick ones.
_LONG = ("test_training.py", "test_extraction.py")
_QUICK = {*MOST_USED, "llava_next", "smolvlm", "pixtral"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long as slow for the families that fewer people use."""
    for item in items:
        params = item.callspec.params if hasattr(item, "callspec") else {}  # pyright: ignore[reportAttributeAccessIssue]
        family = params.get("world") or params.get("base")
        if family and family not in _QUICK and item.path.name in _LONG:
            item.add_marker(pytest.mark.slow)
