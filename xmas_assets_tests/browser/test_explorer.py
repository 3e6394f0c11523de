"""The explorer in Chromium: a file opened from the disk, pointed at, coloured anew; it asks nobody for anything."""

import pytest
from playwright.sync_api import expect

from xmas_assets.report.explorer import write_explorer
from xmas_assets_tests.browser.chromium import chromium
from xmas_assets_tests.report.made_up_explorer import HOSTILE, made_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
AT_ROW = """row => {
    const map = document.getElementById("map"), layout = map._fullLayout, box = map.getBoundingClientRect();
    const x = layout.xaxis.l2p(row), y = layout.yaxis.l2p(row % 2);
    return [box.left + layout._size.l + x, box.top + layout._size.t + y];
}"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(params=[False, True], ids=["shapes", "webgl"])
def page(browser, tmp_path, request):
    """The page, opened from the disk; at the end nothing may have been complained of, or asked for."""
    write_explorer(tmp_path / "explorer.html", HOSTILE, made_up(), by_webgl=request.param)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    address, said, asked = (tmp_path / "explorer.html").as_uri(), [], []
    page.on("console", lambda message: said.append(message.text) if "GPU stall" not in message.text else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append("a script of the data ran"), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("body[data-drawn]")
    yield page
    page.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [address]


def point_at(page, row):
    x, y = page.evaluate(AT_ROW, row)
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)


def trace_names(page):
    return page.evaluate("document.getElementById('map').data.map(trace => trace.name)")


def test_pointing_at_a_row_shows_its_picture_why_it_was_dropped_and_what_stands_for_it(page):
    point_at(page, 4)
    expect(page.locator(".no-webgl")).to_have_count(0)
    card = page.locator("#card")
    expect(card.get_by_role("heading")).to_have_text("row 4")
    expect(card.locator("img")).to_have_count(2)
    assert page.evaluate("document.querySelector('#card img').naturalWidth") == 40
    expect(card).to_contain_text("dropped by xmas_b0.33_s0")
    expect(card).to_contain_text("rank 5 of 15, 5 kept")
    expect(card).to_contain_text("The kept row that stands for it:")
    expect(card).to_contain_text("row 3")


def test_the_map_is_coloured_anew_by_what_is_chosen(page):
    assert trace_names(page) == ["dropped", "kept", ""]
    page.select_option("#colour", "cluster")
    assert trace_names(page) == ["cluster 0", "cluster 1", ""]
    page.select_option("#selection", "random_b0.33_s0")
    expect(page.locator("#colour option[value=score]")).to_have_count(0)
    expect(page.locator("#why-note")).to_contain_text("random_b0.33_s0 keeps 10 rows of 30")


def test_a_tile_of_the_gallery_is_reached_and_pinned_by_the_keyboard(page):
    page.locator("#dropped button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#card").get_by_role("heading")).to_have_text("row 1")
    expect(page.locator("#card")).to_contain_text("no picture")


def test_texts_of_the_dataset_are_shown_as_text(page):
    for colour in ("task", "group", "score"):
        page.select_option("#colour", colour)
    point_at(page, 0)
    expect(page.locator("#card").get_by_role("heading")).to_have_text(HOSTILE)
    assert page.locator("img[src=x], b b, #card b").count() == 0
    expect(page.locator("#about")).to_contain_text("a random sample: 30 of 99 rows")


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
