"""The definitions as the UI loads them."""

import subprocess
import sys

import dagster as dg
import pytest

from xmas_assets.assets.jobs import JOBS
from xmas_assets.assets.partitions import SETTINGS
from xmas_assets.contracts.signals import READ_IN_ONE_PASS, SIGNAL_ASSETS, SIGNALS, stages_behind
from xmas_assets.definitions import build_defs
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets.orchestration.asset_links import AssetLinks
from xmas_assets_tests.e2e.platforms import register

ASSETS = {
    "raw_dataset": "data",
    "base_model": "models",
    "target_base": "models",
    "proxy_checkpoints": "models",
    **dict.fromkeys(READ_IN_ONE_PASS, "signals"),
    "clusters": "selection",
    "text_lengths": "signals",
    "clip_embeddings": "signals",
    "difficulty_scores": "signals",
    "tags": "signals",
    "quality_ratings": "signals",
    "quality_indicators": "signals",
    "warmup_checkpoints": "models",
    "gradients": "signals",
    "adam_gradients": "signals",
    "validation_samples": "data",
    "validation_gradients": "signals",
    "selected_subset": "selection",
    "target_model": "models",
    "benchmark_scores": "evaluation",
    "leaderboard": "evaluation",
    "attention_gradient_agreement": "evaluation",
}


@pytest.fixture(scope="module")
def graph():
    return build_defs().resolve_asset_graph()


def test_every_asset_has_a_group_kinds_an_owner_and_a_description(graph):
    made = {key.to_user_string(): graph.get(key) for key in graph.materializable_asset_keys}
    assert {name: node.group_name for name, node in made.items()} == ASSETS
    for node in made.values():
        assert node.kinds
        assert node.owners == ["team:xmas"]
        assert node.description


def test_every_stage_that_others_build_on_has_a_blocking_check(graph):
    blocking = {key.asset_key.to_user_string() for key in graph.asset_check_keys if graph.get(key).blocking}
    assert blocking == set(ASSETS) - {
        "base_model",
        "target_base",
        "target_model",
        "leaderboard",
        "attention_gradient_agreement",
    }


def test_a_budget_is_known_from_the_subset_on_and_nowhere_before(graph):
    by_selection = {
        key.to_user_string()
        for key in graph.materializable_asset_keys
        if isinstance(graph.get(key).partitions_def, dg.MultiPartitionsDefinition)
    }
    assert by_selection == {"selected_subset", "target_model", "benchmark_scores"}


def test_the_jobs_cover_every_asset_once():
    defs = build_defs()
    assets = [
        key.to_user_string() for job in JOBS for key in defs.resolve_job_def(job.name).asset_layer.executable_asset_keys
    ]
    assert sorted(assets) == sorted(ASSETS)


def test_what_a_selection_cost_follows_the_assets_that_stand_behind_its_signals(graph):
    """The table of signals says what Dagster's graph says, so that no stage is left out of a method's cost."""
    behind = stages_behind(SIGNALS)
    assert behind > SIGNAL_ASSETS.keys() - {"raw_dataset"}
    for asset in behind:
        made_from = {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}
        told = set(SIGNAL_ASSETS[asset].made_from) if asset in SIGNAL_ASSETS else set()
        assert {name for name in made_from if "/" not in name} - {"raw_dataset", "base_model"} == told, asset
    assert stages_behind(["cluster_label", "task"]) == {"clusters", "attention_trajectories", "proxy_checkpoints"}


def parents_of(graph, asset: str) -> set[str]:
    return {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}


def test_a_selection_depends_on_every_asset_with_signals_by_one_record_of_them(graph):
    """Dagster asks "Are you sure?" for inputs that it can make and nobody has made, and this one is only observed."""
    assert parents_of(graph, "selected_subset") == {"available_signals", "settings/methods"}
    assert parents_of(graph, "available_signals") == {source.asset for source in SIGNALS.values()}
    assert not graph.get(dg.AssetKey("available_signals")).is_materializable


def test_commands_see_the_signals_themselves_as_inputs_of_a_selection():
    links = AssetLinks.of(build_defs())
    assert set(links.parents["selected_subset"]) == {source.asset for source in SIGNALS.values()} | {"settings/methods"}
    assert "available_signals" not in links.parents


def test_a_signal_of_the_pass_depends_on_no_settings_of_another(graph):
    sections = {
        asset: {key.path[-1] for key in graph.get(dg.AssetKey(asset)).parent_keys if key.path[0] == "settings"}
        for asset in READ_IN_ONE_PASS
    }
    assert sections == {asset: {"base_model", SIGNAL_ASSETS[asset].settings} - {""} for asset in READ_IN_ONE_PASS}
    assert sections["features"] == {"base_model"}
    assert sections["attention_trajectories"] == {"base_model", "trajectories"}


def test_every_section_of_the_settings_is_an_asset(tmp_path):
    register(tmp_path)
    assert set(current_versions(Home.open(tmp_path), "shapes")) == set(SETTINGS)


def test_loading_the_definitions_loads_no_heavy_library():
    heavy = "{'torch', 'transformers', 'mlflow', 'matplotlib', 'ray'}"
    script = f"import sys, xmas_assets.definitions; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
