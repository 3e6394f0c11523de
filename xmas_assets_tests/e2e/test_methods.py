"""Every method without external requirements, through the same assets: signals once and together, then only choices."""

import re

import dagster as dg
import pytest

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.signals import READ_IN_ONE_PASS, requirement_of
from xmas_assets.data.registration import Registration
from xmas_assets.extraction.attention_maps import AttentionMaps
from xmas_assets.orchestration.platform import RunFailedError
from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets.selection.registry import METHODS, assets_read
from xmas_assets.stages.prepared import PREPARED
from xmas_assets_tests.e2e.platforms import QUICK, keys, n_materializations, open_platform, register, xmas

WITHIN = [name for name in METHODS if not any(requirement_of(need) for need in METHODS[name].needs)]
"""Methods without external requirements."""
READ = assets_read(WITHIN) & set(READ_IN_ONE_PASS)
"""Of what they read, that which one pass over the data makes."""
BUDGETS = ("0.10", "0.30")
pytestmark = pytest.mark.timeout(600)  # the first test waits for everything to be made


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("methods")
    register(home, n_train=120, overrides=QUICK)
    return home


@pytest.fixture(scope="module")
def platform(home):
    return open_platform(home)


@pytest.fixture(scope="module")
def said(platform) -> dict[str, list[str]]:
    """What was said while xmas was selected alone, then coincide, and then every method at two budgets."""
    said: dict[str, list[str]] = {name: [] for name in ("xmas", "coincide", "all")}
    for name in ("xmas", "coincide"):
        select(platform, f"{name}_b0.10_s0", say=said[name].append)
    every = [f"{name}_b{budget}_s0" for name in WITHIN for budget in BUDGETS if name != "full"]
    select(platform, *every, "full_b1.00_s0", say=said["all"].append)
    return said


def select(platform, *texts: str, say=lambda line: None) -> None:
    """Run selections; what took how long is not said on."""

    def say_on(line: str) -> None:
        if ": made in " not in line and ": done, " not in line:
            say(line)

    run_selections(platform, "shapes", keys(*texts), stages=("selected_subset",), say=say_on)


def rows(platform, key: str) -> set[int]:
    return set(platform.home.stored("selected_subset", f"shapes|{key}")["subset"].column("row").tolist())


def runs_of(platform, asset: str) -> list[str]:
    records = platform.instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return [record.run_id for record in records]


@pytest.mark.parametrize("name", [name for name in WITHIN if name != "full"])
def test_a_method_chooses_as_many_rows_as_either_budget_buys(platform, said, name):
    small, large = (rows(platform, f"{name}_b{budget}_s0") for budget in BUDGETS)
    assert (len(small), len(large)) == (12, 36)
    if METHODS[name].nested:
        assert small < large


def test_adding_coincide_after_xmas_reads_only_its_own_signal(said):
    assert said["xmas"][3:] == ["attention_trajectories ...", "clusters ...", "1 of 1 selections to run"]
    assert said["coincide"] == ["block_activations ...", "1 of 1 selections to run"]


def test_all_methods_together_read_each_signal_once_and_those_of_the_pass_in_one_run(platform, said):
    for asset in sorted(assets_read(WITHIN)):
        assert n_materializations(platform, asset) == 1, asset
    others = READ - {"block_activations"}
    assert len({run for asset in others for run in runs_of(platform, asset)}) == 1
    assert f"{', '.join(sorted(others))} ..." in said["all"]
    assert n_materializations(platform, "proxy_checkpoints") == 1


def test_each_method_prepared_once_for_its_two_budgets(platform, home, said):
    folders = [path.parent.parent.name for path in (home / "work" / PREPARED).rglob("*.safetensors")]
    assert sorted(folders) == sorted(f"shapes%7C{name}" for name in WITHIN)


def test_a_selection_is_fresh_though_signals_came_that_its_method_does_not_read(platform, said):
    assert platform.stale(["selected_subset"], "shapes|xmas_b0.10_s0") == []
    before = n_materializations(platform, "selected_subset")
    select(platform, "xmas_b0.10_s0", "random_b0.10_s0")
    assert n_materializations(platform, "selected_subset") == before == 2 * (len(WITHIN) - 1) + 1


def test_another_setting_of_one_signal_makes_that_signal_stale_alone(platform, home, said):
    registration = Registration.named(home, "shapes")
    changed = QUICK | {"signals": {"block_activations": {"n_layers": 2}}}
    registration.model_copy(update={"overrides": changed}).save(home)
    platform.observe("shapes")
    try:
        assert platform.stale(READ, "shapes") == ["block_activations"]
    finally:
        registration.save(home)
        platform.observe("shapes")


def test_a_failing_signal_fails_only_the_methods_that_need_it(platform, home, said, monkeypatch):
    """Both signals are stale, so they are read in one pass first, and then one by one."""
    changed = {"attention_maps": {"grid_side": 4}, "block_activations": {"n_layers": 2}}
    Registration.named(home, "shapes").model_copy(update={"overrides": QUICK | {"signals": changed}}).save(home)

    def fail(*_):
        raise ModelError("no map today; come back")

    monkeypatch.setattr(AttentionMaps, "read", fail)
    told: list[str] = []
    with pytest.raises(RunFailedError, match=r"^1 of 2 selections failed; the first: attention_maps of shapes: no map"):
        select(platform, "xmas_coverage_b0.20_s0", "coincide_b0.20_s0", say=told.append)
    assert told == [
        "attention_maps, block_activations ...",
        "attention_maps ...",
        "block_activations ...",
        "xmas_coverage cannot run: attention_maps of shapes: no map today; come back",
        "1 of 2 selections to run",
    ]
    assert len(rows(platform, "coincide_b0.20_s0")) == 24


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("less", "has no validation records, .* or add the dataset with --validation FILE"),
        ("icons", "has no validation records, .* or add the dataset with --validation FILE"),
        ("instag", "tags: it is taken from a column .* which you must name; set tags.source to column, endpoint or"),
        ("instruction_gpt4", "quality_ratings: it holds the scores .* you must provide; set quality.ratings to a CSV"),
    ],
)
def test_a_method_that_needs_what_nobody_gave_is_refused_before_any_work(platform, home, said, method, message):
    """FAULTS 79 and 81; from the command line, and from the UI's button with its own run."""
    work = sorted((home / "work").rglob("*"))
    answer = xmas(home, "run", "shapes", "--method", method, "--method", "random", "--budget", "0.05")
    assert re.search(message, answer.message)
    assert sorted((home / "work").rglob("*")) == work
    platform.instance.add_dynamic_partitions("selection", [f"{method}_b0.10_s0"])
    partition = dg.MultiPartitionKey({"dataset": "shapes", "selection": f"{method}_b0.10_s0"})
    with pytest.raises(RunFailedError, match="which you must (provide|name)"):
        platform.materialize(["selected_subset"], partition)
