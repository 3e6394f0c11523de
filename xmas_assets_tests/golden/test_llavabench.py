"""LLaVA-Bench against the reading and the summary of its reviews."""

import math

import pytest

from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.evaluation.benchmarks.llavabench import Llavabench, rating_pair
from xmas_assets_tests.golden import official

LLAVABENCH = Llavabench()


def test_replies_are_read_as_the_official_script_reads_them():
    for case in official.read("llavabench", "expected.json")["parse_cases"]:
        expected = [float(value) for value in case["tuple"]]
        assert rating_pair(case["reply"]) == pytest.approx(tuple(expected), abs=0, nan_ok=True), case
        readable = expected != [-1, -1] and all(map(math.isfinite, expected))
        assert LLAVABENCH.reply_is_readable(case["reply"]) == readable, case
    for review in official.read("llavabench", "reviews.jsonl"):
        assert list(rating_pair(review["content"])) == review["tuple"], review


def test_the_summary_is_that_of_the_official_script():
    reviews = official.read("llavabench", "reviews.jsonl")
    items = [
        Item(
            item_id=str(review["id"]),
            question="",
            prompt="",
            images=(),
            references=("",),
            categories={"category": review["category"]},
        )
        for review in reviews
    ]
    replies = {str(review["id"]): review["content"] for review in reviews}
    expected = official.read("llavabench", "expected.json")["summary"]
    parts = {f"{name}/{key}": value for name, found in expected.items() for key, value in found.items()}
    assert LLAVABENCH.parts(items, replies) == pytest.approx(parts, abs=0.0501)
    headline = LLAVABENCH.headline(LLAVABENCH.units(items, replies))
    assert round(headline, 1) == expected["all"]["relative"]
