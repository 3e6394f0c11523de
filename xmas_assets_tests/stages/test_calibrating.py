"""Lines through what parts took, and which rows parts have."""

import pytest

from xmas_assets.contracts.usage import Usage
from xmas_assets.stages.calibrating import Seen, line_through, rates_of


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ((100, 30), (400, 90), (10, 0.2)),
        ((400, 90), (100, 30), (10, 0.2)),
        ((100, 10), (400, 90), (0, 0.225)),  # would start below 0
        ((100, 30), (400, 20), (20, 0)),  # less for more is noise
        ((1, 5), (1, 7), (7, 0)),  # the same work twice
    ],
)
def test_a_line_has_no_part_below_0(first, second, line):
    assert line_through(first, second) == pytest.approx(line)


def test_the_clock_of_a_processor_follows_its_time():
    small, large = Seen(100, Usage(30, 45, 0), 1000), Seen(400, Usage(90, 180, 0), 4000)
    rate = rates_of({"clusters": small}, {"clusters": large})["clusters"]
    assert rate.cpu_seconds == pytest.approx((10, 0.2))
    assert rate.clock_seconds == pytest.approx((20, 0.4))
    assert rate.disk_bytes == pytest.approx((0, 10))


def test_the_clock_of_a_card_is_measured_itself():
    small, large = Seen(100, Usage(30, 45, 45), 0), Seen(400, Usage(30, 180, 180), 0)
    rate = rates_of({"features": small}, {"features": large})["features"]
    assert (rate.device, rate.clock_seconds) == ("gpu", pytest.approx((0, 0.45)))
