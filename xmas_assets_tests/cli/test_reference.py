"""The pages that are made from the code are current."""

from pathlib import Path

import pytest

from xmas_assets.cli.reference import PAGES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_as_the_code_says(path):
    current = (ROOT / path).read_text(encoding="utf-8") == PAGES[path]()
    assert current, f"{path} is out of date; run: python -m xmas_assets.cli.reference"
