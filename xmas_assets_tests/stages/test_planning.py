"""What selections cost as a whole, and from where they pay, on rates that are typed."""

import pytest

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.calibration import Calibration, DataSizes, ModelSizes, StageRate
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.usage import Usage
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.scale.fleet import Fleet
from xmas_assets.stages.planning import Planner
from xmas_assets.stages.rates import Rates


def hourly(per_unit: float, fixed: float = 0) -> StageRate:
    """A rate of hours by unit."""
    return StageRate(cpu_seconds=(3600 * fixed, 3600 * per_unit), clock_seconds=(3600 * fixed, 3600 * per_unit))


# By row: 1 h of the proxy, 0.1 h at each of 2 checkpoints, 0.2 h of clusters and choice; 10 h of the target.
STAGES = {
    "raw_dataset": hourly(0),
    "base_model": hourly(0),
    "target_base": hourly(0),
    "proxy_checkpoints": hourly(1),
    "attention_trajectories": hourly(0.1),
    "clusters": hourly(0.1),
    "prepared": hourly(0.05),
    "selected_subset": hourly(0.05),
    "target_model": hourly(10),
    "benchmark_scores": hourly(0.5),
}
SETTINGS = {"proxy": {"n_checkpoints": 2, "epochs": 1}, "target": {"epochs": 1}}
ROW = DataSizes(n_rows=1000, n_questions=100, tokens_per_row=10)
MODEL = ModelSizes(language_parameters=1000, n_layers=1, width=8)


@pytest.fixture
def home(tmp_path) -> Home:
    (tmp_path / "train.json").write_text("[]")
    home = Home.open(tmp_path / "home")
    home.register(Registration.create("mine", [tmp_path / "train.json"], overrides=SETTINGS))
    return home


def planner(home: Home, *, n_rows: int | None = None, fleet: Fleet | None = None, **changes) -> Planner:
    stages = STAGES | changes.pop("stages", {})
    calibration = Calibration(data=ROW, base_model=MODEL, stages=stages, **changes)
    return Planner.of(Rates(home, "mine", calibration, wins=True), fleet, n_rows=n_rows)


def keys(*names: str) -> list[SelectionKey]:
    return [SelectionKey.parse(name) for name in names]


def test_stages_are_made_once_and_those_of_selections_once_each(home):
    planned = planner(home).stages(keys("xmas_b0.20_s0", "xmas_b0.20_s1", "random_b0.10_s0"))
    hours = {", ".join(stage.names): (stage.times, stage.all.cpu_hours) for stage in planned}
    assert hours == {
        "raw_dataset": (1, 0),
        "base_model": (1, 0),
        "target_base": (1, 0),
        "proxy_checkpoints": (1, 1000),
        "attention_trajectories": (1, pytest.approx(200)),
        "clusters": (1, 100),
        "prepared:xmas": (1, 50),
        "selected_subset:xmas": (2, 100),
        "selected_subset:random": (1, 50),
        "target_model": (3, pytest.approx(5000)),  # 200, 200 and 100 rows
        "benchmark_scores": (3, pytest.approx(150)),
    }
    totals = {total.what: total for total in planner(home).totals(planned, price=2)}
    assert totals["clock"].least == pytest.approx(6650)
    assert totals["money"].most == pytest.approx(2 * 6650)
    assert "disk" not in totals


def test_selection_pays_up_to_the_budget_where_both_ways_cost_the_same(home):
    """Selecting takes 1 + 0.2 + 0.2 = 1.4 h a row, training 10 h: as much as all rows at 86 % of them."""
    (verdict,) = planner(home).verdicts(keys("xmas_b0.20_s0"))
    assert verdict.hours == pytest.approx((3400, 3400))
    assert verdict.full_hours == pytest.approx((10_000, 10_000))
    assert verdict.up_to == pytest.approx((0.86, 0.86), abs=1e-3)
    assert verdict.device == "cpu"


def test_all_rows_never_pay_and_neither_does_what_costs_more_than_training(home):
    (verdict,) = planner(home).verdicts(keys("xmas_b1.00_s0"))
    assert verdict.up_to is not None
    assert verdict.up_to[1] < 1
    dear = planner(home, stages={"proxy_checkpoints": hourly(11)})
    assert dear.verdicts(keys("xmas_b0.20_s0"))[0].up_to == (0, 0)


def test_what_is_fixed_of_a_training_is_paid_for_any_budget(home):
    """Selecting 1400 h; training 500 h and 10 h a row: 1900 + 10 n = 10 500 at 860 rows."""
    fixed = planner(home, stages={"target_model": hourly(10, fixed=500)})
    assert fixed.verdicts(keys("xmas_b0.20_s0"))[0].up_to == pytest.approx((0.86, 0.86), abs=1e-3)


def test_a_stage_that_is_not_known_leaves_the_verdict_open(home):
    rates = {name: rate for name, rate in STAGES.items() if name != "clusters"}
    calibration = Calibration(data=ROW, base_model=MODEL, stages=rates)
    unknown = Planner.of(Rates(home, "mine", calibration, wins=True), None)
    (clusters,) = [stage for stage in unknown.stages(keys("xmas_b0.20_s0")) if stage.names == ("clusters",)]
    assert (clusters.all.cpu_hours, clusters.all.by) == (None, "")
    (verdict,) = unknown.verdicts(keys("xmas_b0.20_s0"))
    assert (verdict.hours, verdict.up_to) == (None, None)


def test_twice_the_rows_take_twice_the_hours(home):
    once, twice = (planner(home, n_rows=n).stages(keys("xmas_b0.20_s0")) for n in (1000, 2000))
    hours = [(first.all.cpu_hours, second.all.cpu_hours) for first, second in zip(once, twice, strict=True)]
    assert all(second == pytest.approx(2 * (first or 0)) for first, second in hours[:-1])
    assert hours[-1][0] == hours[-1][1]  # as many questions


def test_signals_of_one_pass_take_as_long_as_the_longest_of_them(home):
    both = planner(home, stages={"features": hourly(0.05), "gradients": hourly(1), "warmup_checkpoints": hourly(0)})
    planned = {stage.names: stage.all.cpu_hours for stage in both.stages(keys("xmas_b0.20_s0", "tive_b0.20_s0"))}
    passes = [names for names in planned if "attention_trajectories" in names]
    assert planned[passes[0]] == pytest.approx(200)


def test_on_cards_the_ends_of_a_verdict_are_those_of_all_shares(home):
    """By row: training and proxy 6 x 1000 x 10 + 3 x 2 x 8 x 100 operations alike, so selecting costs more than all."""
    fleet = Fleet.of("8xH100", Calibration())
    on_cards = planner(home, fleet=fleet)
    (verdict,) = on_cards.verdicts(keys("xmas_b0.20_s0"))
    assert (verdict.device, verdict.up_to) == ("gpu", (0, 0))
    planned = {stage.names[0]: stage.all for stage in on_cards.stages(keys("xmas_b0.20_s0"))}
    proxy = 1000 * (3 * (2 * 1000 * 10 + 2 * 8 * 100)) / 989e12 / 3600
    assert planned["proxy_checkpoints"].gpu_hours == pytest.approx((proxy / 0.45, proxy / 0.25))
    assert planned["clusters"].cpu_hours == 100
    assert planned["proxy_checkpoints"].cpu_hours is None


def test_without_rows_it_is_said_what_to_run(home):
    with pytest.raises(
        SettingsError, match="mine was not read yet, so its rows are not known; add --rows and how many, or run"
    ):
        Planner.of(Rates.open(home, "mine"), None)


def test_costs_of_earlier_runs_need_the_rows_that_they_were_of(home):
    home.costs.note("proxy_checkpoints", "mine", "key", Usage(10, 10, 0))
    assert Rates.open(home, "mine").of("proxy_checkpoints") == (None, "")


def test_a_stage_that_there_is_not_is_refused_with_its_name(home, tmp_path):
    path = tmp_path / "rates.yaml"
    path.write_text("stages: {proxy_checkpoint: {cpu_seconds: [1, 2]}}")
    with pytest.raises(SettingsError, match=r"stages.proxy_checkpoint is no stage; did you mean 'proxy_checkpoints'"):
        Rates.open(home, "mine", path)
