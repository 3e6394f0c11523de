"""From a registered dataset to a subset by pressing Materialize on the subset, in Chromium: nothing else was made."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from xmas_assets_tests.browser.served import wait_for
from xmas_assets_tests.browser.test_ui import dataset_partitions, materialize_new_selection
from xmas_assets_tests.e2e.platforms import register

expect.set_options(timeout=60_000)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PARTITION = "fresh|xmas_b0.20_s0"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which nothing was ever made."""
    home = tmp_path_factory.mktemp("home")
    register(home, "fresh", n_train=60)
    return home


def keep_picture(page, name: str) -> None:
    if folder := os.environ.get("XMAS_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.slow
def test_materialize_on_a_subset_makes_what_it_needs_and_asks_nothing(page, served):
    wait_for(lambda: "fresh" in dataset_partitions(served), "the sensor to add the dataset", seconds=90)
    materialize_new_selection(page, served, "xmas_b0.20_s0", dataset="fresh")
    wait_for(lambda: served.stale("selected_subset", PARTITION) == "FRESH", "the subset", seconds=300)
    page.goto(f"{served.dagster}/runs")
    expect(page.get_by_text("proxy_checkpoints").first).to_be_visible()
    keep_picture(page, "runs")
    page.goto(f"{served.dagster}/assets/selected_subset?view=partitions&partition={quote(PARTITION)}")
    expect(page.get_by_text("Materialized", exact=True)).to_be_visible()
    expect(page.get_by_text("12 of 60 rows (20.0 %)")).to_be_visible()
    keep_picture(page, "subset")
