"""A selection that is materialized alone, as in the UI: it makes what its method reads, and says what it is from."""

import dagster as dg
import pytest

from xmas_assets.definitions import build_defs
from xmas_assets.orchestration.preparing import SelfPreparation
from xmas_assets.resources.dagster_home import home_resource
from xmas_assets_tests.e2e.platforms import KEY, asset_counts, open_platform, register


def materialize(platform, *assets: str, selection: str = KEY) -> dg.ExecuteInProcessResult:
    """One run of a selection's assets, as the Materialize dialog launches it."""
    root = home_resource.configured({"root": str(platform.home.root)})
    defs = build_defs({"home": root, "preparation": SelfPreparation(home=root)})
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=platform.instance,
        partition_key=dg.MultiPartitionKey({"dataset": "shapes", "selection": selection}),
        asset_selection=[dg.AssetKey(asset) for asset in assets],
        raise_on_error=False,
    )


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A dataset that the sensor has just found, with one selection materialized."""
    home = tmp_path_factory.mktemp("home")
    register(home, n_train=60)
    platform = open_platform(home)
    platform.observe("shapes")
    platform.instance.add_dynamic_partitions("selection", [KEY, "random_b0.20_s0", "xmas_b0.30_s0"])
    return platform, materialize(platform, "selected_subset")


def test_a_selection_of_a_fresh_dataset_makes_what_its_method_reads_in_runs_of_its_own(fresh):
    platform, result = fresh
    assert result.success
    made = {asset for asset, (fresh, _, _) in asset_counts(platform, "shapes").items() if fresh}
    assert made == {
        *("raw_dataset", "base_model", "proxy_checkpoints", "attention_trajectories", "clusters", "selected_subset")
    }
    runs = platform.instance.get_runs()
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    others = [run for run in runs if run.run_id != result.run_id]
    assert len(others) == 5
    assert {run.tags["xmas/command"].partition(" ")[2] for run in others} == {f"Dagster {result.run_id[:8]}"}
    said = [entry.user_message for entry in platform.instance.all_logs(result.run_id)]
    assert "proxy_checkpoints of shapes: nobody has made it yet; making it now" in said


def test_what_is_there_is_not_made_again(fresh):
    platform, _ = fresh
    before = len(platform.instance.get_runs())
    assert materialize(platform, "selected_subset", selection="xmas_b0.30_s0").success
    assert len(platform.instance.get_runs()) == before + 1


def test_a_selection_is_made_from_the_signals_that_it_had_made(fresh):
    platform, _ = fresh
    state = platform.freshness().states(["selected_subset"], [f"shapes|{KEY}"])
    assert state == {"selected_subset": {f"shapes|{KEY}": "FRESH"}}
    record = platform.instance.fetch_observations(dg.AssetKey("available_signals"), limit=9).records
    assert len(record) == 1
    event = platform.instance.get_latest_materialization_event(dg.AssetKey("selected_subset"))
    pointer = event.asset_materialization.tags["dagster/input_event_pointer/available_signals"]
    assert pointer == str(record[0].storage_id)
