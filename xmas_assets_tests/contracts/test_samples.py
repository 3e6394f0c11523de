import re
from pathlib import Path

import pytest

from xmas_assets.contracts.samples import without_image_marks

PACKAGE = Path(__file__).parents[2] / "xmas_assets"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<image>\nWhat is this?", "What is this?"),
        ("Which of <image> and<image> is\t red?\n", "Which of and is red?"),
        ("one<image>two", "one two"),
        ("no mark", "no mark"),
        ("<image><image>", ""),
    ],
)
def test_marks_and_white_space_become_single_spaces(text, expected):
    assert without_image_marks(text) == expected


def test_no_other_place_strips_image_marks():
    """A chat endpoint is shown ``[image]`` where a mark stood, which strips nothing."""
    strips = re.compile(r"replace\((IMAGE_MARK|[\"']<image>[\"']), *[\"'] *[\"']\)")
    found = {path.name for path in PACKAGE.rglob("*.py") if strips.search(path.read_text())}
    assert found == {"samples.py"}
