"""A small home that has two scored selections, its UIs, and a page in Chromium."""

import os
from pathlib import Path

import pytest

from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets_tests.browser.chromium import chromium
from xmas_assets_tests.browser.served import serve
from xmas_assets_tests.e2e.platforms import DATASET_STAGES, keys, open_platform, register


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with one dataset, prepared, and two selections scored."""
    home = tmp_path_factory.mktemp("home") / "my runs; touch owned & $(touch owned)"
    home.mkdir()
    register(home)
    environment = dict(os.environ)
    try:
        platform = open_platform(home)
        platform.observe("shapes")
        platform.materialize(DATASET_STAGES, "shapes")  # one run, for speed
        run_selections(platform, "shapes", keys("xmas_b0.20_s0", "random_b0.20_s0"), say=lambda line: None)
    finally:
        os.environ.clear()
        os.environ.update(environment)
    return home


@pytest.fixture(scope="module")
def served(home):
    """Its UIs, running."""
    with serve(home) as served:
        yield served


@pytest.fixture(scope="module")
def browser(served):  # after the runs: the event loop of its driver stays on this thread
    """A Chromium without network services of its own."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, request):
    """A fresh page; its last state goes to the folder XMAS_SCREENSHOTS as a picture, if that is set."""
    page = browser.new_page(viewport={"width": 1500, "height": 1100})
    page.set_default_timeout(60_000)
    yield page
    if folder := os.environ.get("XMAS_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{request.node.name}.png")
    page.close()
