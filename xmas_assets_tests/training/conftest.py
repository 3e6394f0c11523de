from pathlib import Path

import pytest

from xmas_assets_tests.toy.untrained import build_untrained


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    return build_untrained(tmp_path_factory.mktemp("base"))
