"""``xmas explore``, run for real: the page that it writes, and what it says when it cannot."""

import json
import re

import pytest

from xmas_assets.home.home import Home
from xmas_assets.stages import exploring
from xmas_assets.stages.exploring import write_explorer_of
from xmas_assets_tests.e2e.platforms import xmas
from xmas_assets_tests.report.made_up_explorer import made_up


@pytest.fixture(scope="module")
def page(copied):
    said = xmas(copied, "explore", "shapes")
    assert said.code == 0
    path = copied / "reports" / "shapes" / "explorer.html"
    assert said.out == f"{path}\n"
    return path


def shown(path) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(encoding="utf-8"))
    return json.loads(text)


def test_the_page_shows_every_row_with_its_picture_and_why_it_was_kept(page):
    data = shown(page)
    assert data["row"] == list(range(240))
    assert [one["key"] for one in data["selections"]] == ["random_b0.20_s0", "xmas_b0.20_s0"]
    assert [sum(one["kept"]) for one in data["selections"]] == [48, 48]
    assert all(len(data[column]) == 240 for column in ("x", "y", "near", "task", "question", "picture", "cluster"))
    assert data["pictures"] and all(picture.startswith("data:image/jpeg;base64,") for picture in data["pictures"])
    assert data["overlap"][0][0] == data["overlap"][1][1] == 1
    assert data["notes"] == []
    assert data.keys() - {"dataset", "colours", "grey", "by_webgl"} == made_up().keys()
    assert data["selections"][1].keys() == made_up()["selections"][1].keys()


def test_the_same_home_gives_the_same_bytes(page, copied):
    before = page.read_bytes()
    assert xmas(copied, "explore", "shapes").code == 0
    assert page.read_bytes() == before


def test_of_more_rows_than_fit_a_sample_is_shown_and_says_so(page, copied):
    before = page.read_bytes()
    data = shown(write_explorer_of(Home.open(copied), "shapes", most_rows=50))
    assert len(data["row"]) == len(data["x"]) == 50
    assert data["notes"][0] == "This page shows a random sample: 50 of 240 rows."
    assert [one["n_kept"] for one in data["selections"]] == [48, 48]
    page.write_bytes(before)


def test_pictures_that_do_not_fit_into_the_page_are_left_out_and_it_says_so(page, copied, monkeypatch):
    before = page.read_bytes()
    whole = shown(page)
    most = sum(map(len, whole["pictures"])) // 2
    monkeypatch.setattr(exploring, "MOST_PICTURE_BYTES", most)
    data = shown(write_explorer_of(Home.open(copied), "shapes"))
    n_pictures = len(data["pictures"])
    assert sum(map(len, data["pictures"])) <= most < sum(map(len, whole["pictures"][: n_pictures + 1]))
    assert data["notes"] == [f"Only {n_pictures} of {len(whole['pictures'])} pictures fit into this page."]
    assert (-1 in data["picture"], -1 in whole["picture"]) == (True, False)
    page.write_bytes(before)


def test_the_report_links_it_and_the_leaderboard_names_it(page, copied):
    assert '<a href="explorer.html">' in (copied / "reports" / "shapes" / "report.html").read_text()
    assert f"The rows themselves: {page}" in xmas(copied, "leaderboard", "shapes").err


def test_a_signal_that_is_not_stored_is_refused_with_those_that_are(copied):
    said = xmas(copied, "explore", "shapes", "--signal", "text")
    assert said.message == "xmas: --signal 'text' is not stored of 'shapes'; use one of trajectories"


def test_a_dataset_without_a_signal_is_refused_with_the_command_that_makes_one(own):
    message = xmas(own, "explore", "own").message
    assert message == ("xmas: no signal of 'own' is stored that rows can be mapped by; run: xmas run own --method xmas")
