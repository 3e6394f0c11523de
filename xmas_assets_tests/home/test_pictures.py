"""Pictures of Dagster's pages: kept once by content, and nothing else is found under their links."""

import pytest

from xmas_assets.home.home import Home
from xmas_assets.home.pictures import keep_picture, kept_picture

PNG = b"\x89PNG\r\n\x1a\n and more"


@pytest.fixture
def home(tmp_path):
    return Home.open(tmp_path)


def test_a_picture_is_kept_once_and_found_by_its_link(home):
    link = keep_picture(home, PNG)
    assert keep_picture(home, PNG) == link
    path = kept_picture(home, link)
    assert path is not None
    assert path.read_bytes() == PNG
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("link", ["/pictures/../dagster.yaml", "/pictures/", "/pictures/a.png", "/other/{name}"])
def test_a_link_leads_to_no_other_file(home, link):
    name = keep_picture(home, PNG).rpartition("/")[2]
    (home.root / "dagster" / "dagster.yaml").write_text("")
    assert kept_picture(home, link.format(name=name)) is None
