"""What long work says on its way."""

import logging

import pytest

from xmas_assets.contracts.progress import Progress
from xmas_assets.resources import progress
from xmas_assets.resources.progress import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_a_line_with_share_rate_and_time_left_comes_every_half_minute(clock, caplog):
    caplog.set_level(logging.INFO)
    bar = ProgressBar("trajectories", logging.getLogger("t"))
    for clock.now, done in ((10, 100), (29, 290), (30, 300), (31, 310), (60, 600), (100, 1000)):
        bar(Progress(done, 1000))
    said = [record.message for record in caplog.records]
    assert len(said) == 3
    assert said[0].startswith("trajectories:  30%|")
    assert "300/1000 [00:30<01:10, 10.00row/s]" in said[0]


def test_work_of_unknown_length_counts_on(clock, caplog):
    caplog.set_level(logging.INFO)
    bar = ProgressBar("read", logging.getLogger("t"))
    clock.now = 40.0
    bar(Progress(4000))
    assert [record.message for record in caplog.records] == ["read: 4000row [00:40, 100.00row/s]"]


def test_time_left_follows_from_what_this_run_did_not_from_what_was_kept(clock, caplog):
    """20 items in 40 seconds are 0.5 a second; 30 are left."""
    caplog.set_level(logging.INFO)
    bar = ProgressBar("signals", logging.getLogger("t"))
    clock.now = 40.0
    bar(Progress(70, 100, kept=50))
    (line,) = [record.message for record in caplog.records]
    assert "70/100 [00:40<01:00,  2.00s/row]" in line
