"""The definitions as the UI loads them."""

import subprocess
import sys

import dagster as dg
import pytest

from xmas_assets.definitions import build_defs

ASSETS = {
    "raw_dataset": "data",
    "base_model": "models",
    "proxy_checkpoints": "models",
    "attention_trajectories": "signals",
    "clusters": "selection",
    "selected_subset": "selection",
    "target_model": "models",
    "benchmark_scores": "evaluation",
    "leaderboard": "evaluation",
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
    assert blocking == set(ASSETS) - {"base_model", "target_model", "leaderboard"}


def test_a_budget_is_known_from_the_subset_on_and_nowhere_before(graph):
    by_selection = {
        key.to_user_string()
        for key in graph.materializable_asset_keys
        if isinstance(graph.get(key).partitions_def, dg.MultiPartitionsDefinition)
    }
    assert by_selection == {"selected_subset", "target_model", "benchmark_scores"}


def test_the_jobs_cover_every_asset_once():
    defs = build_defs()
    names = ("prepare_dataset", "evaluate_selection", "publish_leaderboard")
    assets = [
        key.to_user_string() for name in names for key in defs.resolve_job_def(name).asset_layer.executable_asset_keys
    ]
    assert sorted(assets) == sorted(ASSETS)


def test_loading_the_definitions_loads_no_heavy_library():
    heavy = "{'torch', 'transformers', 'mlflow', 'matplotlib', 'ray'}"
    script = f"import sys, xmas_assets.definitions; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
