"""Hours out of lines and operations, worked by hand; cards by name."""

import pytest

from xmas_assets.contracts.calibration import Calibration, Card, StageRate
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.scale.estimates import Estimate, at, estimate_here, estimate_on, repeated
from xmas_assets.scale.fleet import Fleet, known_cards, read_calibration
from xmas_assets.scale.stage_work import StageWork

CARD = Card(teraflops=100, memory_gib=80)
FLEET = Fleet(8, "card", CARD, {"reading": (0.25, 0.5), "training": (0.2, 0.4), "answering": (0.1, 0.1)})
PETAHOUR = 3600e15  # operations of an hour at 10^15 a second


def test_work_here_is_a_line_over_its_units():
    rate = StageRate(cpu_seconds=(360, 36), clock_seconds=(720, 36), disk_bytes=(10, 2), memory_gib=3)
    estimate = estimate_here(StageWork("host", 100), rate, by="past")
    assert estimate == Estimate(1.1, (0, 0), (1.2, 1.2), 210, 3, "past")
    assert estimate_here(StageWork("host", 100), None, by="") == Estimate()
    on_card = rate.model_copy(update={"device": "gpu"})
    assert estimate_here(StageWork("training", 100), on_card, by="past").gpu_hours == (1.2, 1.2)


def test_what_is_not_known_is_none_and_not_0():
    assert at(None, 5) is None
    assert at((1, 2), None) is None
    assert at((1, 0), None) == 1
    assert estimate_on(FLEET, StageWork("reading", 5), None, by="") == Estimate()


def test_work_in_shards_is_shared_by_all_cards_and_other_work_runs_on_one():
    shards = estimate_on(FLEET, StageWork("reading", 1, PETAHOUR, most_cards=None), None, by="")
    assert shards.gpu_hours == pytest.approx((20, 40))
    assert shards.clock_hours == pytest.approx((2.5, 5))
    training = estimate_on(FLEET, StageWork("training", 1, PETAHOUR), None, by="")
    assert training.gpu_hours == training.clock_hours == pytest.approx((25, 50))
    assert (training.by, training.cpu_hours) == ("assumed 20-40%", None)


def test_a_share_of_the_peak_that_was_measured_takes_the_place_of_the_assumed_one():
    work = StageWork("reading", 10, 10 * 2e12, most_cards=None)  # 2e12 a unit, in 0.2 s on 50e12: a fifth of the peak
    rate = StageRate(device="gpu", clock_seconds=(1, 0.2))
    here = Card(teraflops=50, memory_gib=24)
    estimate = estimate_on(FLEET, work, rate, by="", measured_on=here)
    assert estimate.gpu_hours == pytest.approx((1 / 3600,) * 2)
    assert estimate.by == "measured 20%"
    on_cpu = rate.model_copy(update={"device": "cpu"})
    assert estimate_on(FLEET, work, on_cpu, by="", measured_on=here).by == "assumed 25-50%"


def test_work_done_several_times_adds_up():
    assert repeated(Estimate(1, (1, 2), None, 5, 3, "x"), 3) == Estimate(3, (3, 6), None, 15, 3, "x")


def test_a_fleet_is_read_in_any_case_and_a_calibration_may_describe_a_card():
    fleet = Fleet.of("8xh100", Calibration())
    assert (fleet.n_cards, fleet.name, fleet.card.teraflops, fleet.stated) == (8, "H100", 989, frozenset())
    own = Calibration(cards={"mine": Card(teraflops=1, memory_gib=2, utilization={"training": (0.3, 0.3)})})
    fleet = Fleet.of("mine", own)
    assert (fleet.n_cards, fleet.shares["training"], fleet.stated) == (1, (0.3, 0.3), {"training"})
    assert fleet.shares["reading"] == known_cards()[0]["reading"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8xH10", "card 'H10' is not known; did you mean 'H100'? use one of A10, A100-40GB"),
        ("0xH100", "--on '0xH100' is not a number of cards; write, for instance, 8xH100, or here"),
        ("8 H100", "--on '8 H100' is not a number of cards"),
    ],
)
def test_an_unknown_card_is_answered_in_one_line(text, message):
    with pytest.raises(SettingsError) as error:
        Fleet.of(text, Calibration())
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: {raw_dataset: {cpu_seconds: [1]}}", "stages.raw_dataset.cpu_seconds"),
        ("stages: {raw_dataset: {cpu_seconds: [-1, 0]}}", "greater than or equal to 0"),
        ("stage: {}", "stage: Extra inputs are not permitted"),
        ("cards: {A: {teraflops: 1, memory_gib: 1, utilization: {reading: [0.5, 0.4]}}}", "the least comes first"),
        ("cards: {A: {teraflops: .inf, memory_gib: 1}}", "cards.A.teraflops"),
    ],
)
def test_a_calibration_that_says_something_else_is_refused_with_its_file(tmp_path, text, message):
    path = tmp_path / "rates.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as error:
        read_calibration(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
