"""The pages that are made from the code are current."""

from pathlib import Path

import pytest

from xmas_assets.cli.reference import PAGES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_as_the_code_says(path):
    current = (ROOT / path).read_text(encoding="utf-8") == PAGES[path]()
    assert current, f"{path} is out of date; run: python -m xmas_assets.cli.reference"


@pytest.mark.parametrize(
    ("command", "row"),
    [
        ("dataset add", "| `NAME` | text | required |"),
        ("dataset add", "| `--annotations` | path, several times | - |"),
        ("dataset add", "| `--format` | `llava_json`, `llava_jsonl`, `sharegpt`, `parquet` | - |"),
        ("dataset add", "| `--duplicates` | `keep`, `quarantine` | `keep` |"),
        ("dataset add", "| `--toy, --embedded` | flag | off |"),
        ("run", "| `--method` | text, several times | - |"),
        ("run", "| `--seeds` | integer (>= 1) | - |"),
        ("demo", "| `--workers` | integer (>= 1) | `2` |"),
        ("export", "| `--to` | path | required |"),
        ("ui", "| `--port` | integer (>= 1, <= 65535) | `3000` |"),
    ],
)
def test_the_page_says_what_may_be_given_and_what_must_be(command, row):
    assert row in section_of(command)


def test_the_usage_puts_brackets_around_what_may_be_left_out():
    assert "xmas status [DATASET] [OPTIONS]\n" in section_of("status")
    assert "xmas export DATASET SELECTION [OPTIONS]\n" in section_of("export")


def section_of(command: str) -> str:
    return PAGES["docs/cli.md"]().split(f"## xmas {command}\n")[1].split("\n## ")[0]
