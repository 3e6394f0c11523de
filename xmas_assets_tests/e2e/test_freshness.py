"""What is up to date: the same verdict as Dagster's own resolver, and a cost that does not grow with the selections."""

import json
import shutil

import dagster as dg
import numpy as np
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.contracts.manifest import Exclusion
from xmas_assets.contracts.signals import SIGNAL_ASSETS, SIGNALS
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets.resources.dataset_changes import look_for_changes
from xmas_assets.selection.registry import METHODS
from xmas_assets.stages.contamination import Excluded
from xmas_assets.stages.subsets import make_subset, stage_subset
from xmas_assets_tests.e2e.platforms import BUILT, QUICK, keys, open_platform, register, statements

PARTITIONS = [f"shapes|{key}" for key in BUILT]


@pytest.fixture
def home(copied, tmp_path):
    """A home of its own for each situation."""
    shutil.copytree(copied, tmp_path / "home", symlinks=True)
    folder = tmp_path / "home" / "toy" / "shapes"
    registration = Registration.named(copied, "shapes")
    moved = {"annotations": (folder / "train.json",), "test": (folder / "test.json",), "images": folder}
    registration.model_copy(update=moved).save(tmp_path / "home")
    platform = open_platform(tmp_path / "home")
    platform.observe("shapes")
    return tmp_path / "home"


def settings(home, **overrides):
    registration = Registration.named(home, "shapes")
    registration.model_copy(update={"overrides": QUICK | overrides}).save(home)
    open_platform(home).observe("shapes")


def nothing(home):
    """As it was built."""


def new_clusters(home):
    settings(home, clusters={"n_clusters": 5})


def new_clusters_made(home):
    new_clusters(home)
    open_platform(home).materialize(["clusters"], "shapes")


def changed_and_changed_back(home):
    new_clusters(home)
    settings(home)


def same_content_again(home):
    open_platform(home).materialize(["raw_dataset"], "shapes")


def other_target(home):
    settings(home, target=QUICK["target"] | {"epochs": 1})


def other_base_settings(home):
    settings(home, base_model={"max_tokens": 1024})


def changed_source(home):
    path = home / "toy" / "shapes" / "train.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(rows[:-1]))
    platform = open_platform(home)
    platform.observe("shapes")
    platform.materialize(["raw_dataset"], "shapes")


def another_selection(home):
    run_selections(open_platform(home), "shapes", keys("random_b0.10_s1"), say=lambda line: None)


def a_new_signal(home):
    open_platform(home).materialize(["text_lengths"], "shapes")


def a_signal_that_no_method_reads(home):
    settings(home, trajectories={"n_values": 2})
    open_platform(home).materialize(["attention_trajectories"], "shapes")


def one_target_again(home):
    platform = open_platform(home)
    settings(home, target=QUICK["target"] | {"epochs": 1})
    platform.materialize(["target_model"], dg.MultiPartitionKey({"dataset": "shapes", "selection": str(BUILT[0])}))


def a_wiped_event(home):
    open_platform(home).instance.wipe_assets([dg.AssetKey("clusters")])


def another_dataset(home):
    register(home, "others", n_train=60)
    platform = open_platform(home)
    platform.observe("others")
    platform.materialize(["raw_dataset"], "others")


SITUATIONS = [
    nothing,
    new_clusters,
    new_clusters_made,
    changed_and_changed_back,
    same_content_again,
    other_target,
    other_base_settings,
    changed_source,
    another_selection,
    a_new_signal,
    a_signal_that_no_method_reads,
    one_target_again,
    a_wiped_event,
    another_dataset,
]
LONG = (another_selection, new_clusters_made, a_signal_that_no_method_reads)


def dagsters_verdict(platform) -> dict[str, dict[str, str]]:
    """By asset and partition, from the resolver behind the UI's badge; but for causes that a method does not read."""
    graph = platform.defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(platform.instance, graph, LoadingContextForTest(platform.instance))

    def verdict(asset: str, partition: str) -> str:
        state = resolver.get_status(dg.AssetKey(asset), partition).name
        if (asset, state) != ("selected_subset", "STALE"):
            return state
        needs = METHODS[parse_partition(partition)[1].method].needs
        read = {"raw_dataset", "settings/methods", *(SIGNALS[need].asset for need in needs)}
        causes = resolver.get_stale_causes(dg.AssetKey(asset), partition)
        updated = {cause.dependency.asset_key.to_user_string() for cause in causes if cause.dependency is not None}
        return "STALE" if (updated | other_signals(platform.instance)) & read else "FRESH"

    return {
        asset: {key: verdict(asset, key) for key in partitions_of(platform, asset)} for asset in platform.links.parents
    }


def other_signals(instance) -> set[str]:
    """The signals that the record of them says other versions of now than when the selections were made."""
    found = instance.fetch_observations(dg.AssetKey("available_signals"), limit=9, ascending=True).records
    said = [{name: entry.value for name, entry in record.asset_observation.metadata.items()} for record in found]
    assert len(said) <= 2
    return {name for name in said[-1] if said[0].get(name) != said[-1][name]}


def our_verdict(platform) -> dict[str, dict[str, str]]:
    freshness = platform.freshness()
    return {asset: freshness.states([asset], partitions_of(platform, asset))[asset] for asset in platform.links.parents}


def partitions_of(platform, asset) -> list[str]:
    return PARTITIONS if asset in platform.links.by_selection else ["shapes"]


@pytest.mark.parametrize(
    "situation",
    [pytest.param(each, marks=[pytest.mark.slow] * (each in LONG)) for each in SITUATIONS],
    ids=lambda situation: situation.__name__,
)
def test_the_verdict_is_dagsters(home, situation):
    situation(home)
    platform = open_platform(home)
    for event in look_for_changes(platform.instance, Home.open(home), None).observations:
        platform.instance.report_runless_asset_event(event)
    expected, ours = dagsters_verdict(platform), our_verdict(platform)
    assert our_verdict(open_platform(home)) == ours  # also out of what was remembered
    assert ours == expected


def test_the_situations_tell_fresh_from_stale(home):
    """Else the comparison above would compare nothing."""
    new_clusters_made(home)
    states = our_verdict(open_platform(home))
    assert states["clusters"] == {"shapes": "FRESH"}
    assert states["selected_subset"] == {
        "shapes|xmas_b0.20_s0": "STALE",
        "shapes|random_b0.20_s0": "FRESH",  # reads no clusters
        "shapes|full_b1.00_s0": "FRESH",
    }


def test_a_leaderboard_is_stale_where_another_rule_of_exclusion_left_the_same_rows(home, tmp_path):
    opened, (first, *_) = Home.open(home), BUILT
    rule = Exclusion(kinds=("same_image",), near_bits=6, items={"own test": "0" * 64}, n_rows=0)
    subset = make_subset(opened, "shapes", first, excluded=Excluded(np.zeros(0, dtype=np.int64), rule))
    opened.put("selected_subset", PARTITIONS[0], stage_subset(tmp_path / "staged", subset))
    platform = open_platform(home)
    assert set(our_verdict(platform)["selected_subset"].values()) == {"FRESH"}
    assert our_verdict(platform)["leaderboard"] == {"shapes": "STALE"}
    platform.materialize(["leaderboard"], "shapes")
    assert our_verdict(platform)["leaderboard"] == {"shapes": "FRESH"}
    assert opened.stored("leaderboard", "shapes")["excluded"].frame()["n_excluded"].to_list().count(0) == 1


def as_an_earlier_version_noted_it(platform, partition: str) -> None:
    """Report a selection's latest materialization again, with every signal as an input of its own, as until 0.1.0."""
    [record] = platform.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("selected_subset"), asset_partitions=[partition]), limit=1
    ).records
    tags = {name: value for name, value in record.asset_materialization.tags.items() if "available" not in name}
    for asset in ("raw_dataset", *SIGNAL_ASSETS):
        events = platform.instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
        tags[f"dagster/input_data_version/{asset}"] = "of its partitions"
        tags[f"dagster/input_event_pointer/{asset}"] = str(events[0].storage_id) if events else "NULL"
    event = dg.AssetMaterialization("selected_subset", partition=partition, tags=tags)
    platform.instance.report_runless_asset_event(event)


def test_a_selection_of_an_earlier_version_is_stale_for_its_signals_only(home):
    """None of its inputs changed; that no check ran after it is of the test's making."""
    platform = open_platform(home)
    as_an_earlier_version_noted_it(platform, PARTITIONS[0])
    assert platform.freshness().why_stale("selected_subset", PARTITIONS[0]) == "a check of it did not pass"
    new_clusters_made(home)
    assert open_platform(home).freshness().why_stale("selected_subset", PARTITIONS[0]) == "clusters changed"


def of_another_log(content: dict) -> dict:
    """As if the store had been deleted and made anew: the same places in the log, other events."""
    notes = {
        asset: {place: [note[0], "another run", *note[2:]] for place, note in known.items()}
        for asset, known in content["notes"].items()
    }
    return content | {"notes": notes, "passed": {}}


def test_what_is_remembered_of_another_log_or_damaged_is_not_believed(home):
    our_verdict(open_platform(home))
    remembered = home / "dagster" / "latest_events.json"
    content = json.loads(remembered.read_text())
    expected = our_verdict(open_platform(home))
    for wrong in (b"{", b"", json.dumps(of_another_log(content)).encode()):
        remembered.write_bytes(wrong)
        assert our_verdict(open_platform(home)) == expected


def n_statements(platform, partitions) -> int:
    """What a look at these partitions asks the instance."""
    with statements() as sent:
        platform.freshness().stale_by_partition(("selected_subset", "target_model", "benchmark_scores"), partitions)
    return len(sent)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_look_asks_as_much_for_one_selection_as_for_all(home, is_first):
    platform = open_platform(home)
    our_verdict(platform)
    numbers = []
    for partitions in (PARTITIONS, PARTITIONS[:1]):
        if is_first:
            (home / "dagster" / "latest_events.json").unlink()
        numbers.append(n_statements(platform, partitions))
    assert numbers[0] == numbers[1] > 0


def test_an_unchanged_dataset_costs_the_sensor_no_look(home, monkeypatch):
    opened = Home.open(home)
    instance = open_platform(home).instance
    first = look_for_changes(instance, opened, None)
    monkeypatch.setattr(Home, "settings", lambda *_: pytest.fail("looked at an unchanged dataset"))
    again = look_for_changes(instance, opened, first.cursor)
    assert (again.observations, again.new, again.cursor) == ([], [], first.cursor)


@pytest.mark.parametrize("file", ["datasets/shapes.yaml", "toy/shapes/train.json", "toy/shapes/test.json"])
def test_the_sensor_sees_a_change_of_any_file(home, file):
    instance, opened = open_platform(home).instance, Home.open(home)
    cursor = look_for_changes(instance, opened, None).cursor
    text = (home / file).read_text()
    (home / file).write_text(text.replace("n_clusters: 8", "n_clusters: 7") if "yaml" in file else text + "\n")
    section = "clusters" if "yaml" in file else "source"
    found = look_for_changes(instance, opened, cursor)
    assert [event.asset_key.to_user_string() for event in found.observations] == [f"settings/{section}"]
    assert found.summary == f"1 datasets; new or changed: settings/{section} of shapes"


@pytest.mark.parametrize("section", ["source", "clusters", "attention_maps"])
def test_the_sensor_looks_again_when_an_observation_is_gone(home, section):
    instance, opened = open_platform(home).instance, Home.open(home)
    cursor = look_for_changes(instance, opened, None).cursor
    instance.wipe_assets([dg.AssetKey(["settings", section])])
    found = look_for_changes(instance, opened, cursor)
    assert [event.asset_key.to_user_string() for event in found.observations] == [f"settings/{section}"]


def test_the_sensor_looks_at_a_broken_file_each_time(home):
    instance, opened = open_platform(home).instance, Home.open(home)
    (home / "datasets" / "broken.yaml").write_text("name: [")
    cursor = None
    for _ in range(2):
        found = look_for_changes(instance, opened, cursor)
        assert "datasets/broken.yaml is not used: " in found.summary
        cursor = found.cursor
        assert "broken" not in json.loads(cursor)
