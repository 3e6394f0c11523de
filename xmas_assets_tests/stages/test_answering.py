"""What is said beside scores of test records that are no questions."""

import polars as pl

from xmas_assets.stages.answering import _unread


def test_test_records_that_could_not_be_read_are_counted_by_reason():
    rows = [("test", "image_missing"), ("train", "bad_id"), ("test", "bad_json"), ("test", "image_missing")]
    quarantine = pl.DataFrame(rows, schema=["split", "reason"], orient="row")
    expected = "3 test records could not be read, so they are no questions (bad_json 1, image_missing 2)."
    assert _unread(quarantine) == [expected]
    assert _unread(quarantine.filter(split="train")) == []
