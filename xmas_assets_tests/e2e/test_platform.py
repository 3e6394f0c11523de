"""The platform end to end on the toy dataset: what a change recomputes, and what it leaves alone."""

import shutil

import dagster as dg
import pytest
from mlflow import MlflowClient
from safetensors.torch import load_file

from xmas_assets.data.registration import Registration
from xmas_assets.home.stored_tables import read_checkpoints
from xmas_assets.orchestration.platform import RunFailedError
from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets.toy.model import build_model, build_processor
from xmas_assets_tests.e2e.platforms import (
    BUILT,
    DATASET_STAGES,
    QUICK,
    SELECTION_STAGES,
    asset_counts,
    keys,
    n_materializations,
    open_platform,
    register,
    table_bytes,
    xmas,
)


@pytest.fixture(scope="module")
def home(copied):
    return copied


@pytest.fixture(scope="module")
def platform(home):
    return open_platform(home)


def counts(platform) -> dict[str, int]:
    return {asset: n_materializations(platform, asset) for asset in (*DATASET_STAGES, *SELECTION_STAGES)}


def file_times(home, assets) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns for asset in assets for path in (home / "tables" / asset).rglob("*.parquet")
    }


def test_every_stage_ran_once_and_is_fresh(platform):
    assert counts(platform) == dict.fromkeys(DATASET_STAGES, 1) | dict.fromkeys(SELECTION_STAGES, 3)
    states = asset_counts(platform, "shapes")
    made = {asset: (fresh, stale) for asset, (fresh, stale, _) in states.items() if fresh or stale}
    assert made == dict.fromkeys(DATASET_STAGES, (1, 0)) | dict.fromkeys(SELECTION_STAGES, (3, 0)) | {
        "leaderboard": (1, 0)
    }


def test_running_twice_changes_nothing(platform, home):
    before, bytes_before = counts(platform), table_bytes(home)
    run_selections(platform, "shapes", keys("xmas_b0.20_s0", "random_b0.20_s0"), say=lambda line: None)
    assert counts(platform) == before
    assert table_bytes(home) == bytes_before


def test_a_new_budget_recomputes_only_sampling_and_what_follows(platform, home):
    before, times = counts(platform), file_times(home, DATASET_STAGES)
    run_selections(platform, "shapes", keys("xmas_b0.10_s0"), say=lambda line: None)
    assert counts(platform) == before | {asset: before[asset] + 1 for asset in SELECTION_STAGES}
    assert file_times(home, DATASET_STAGES) == times


def test_the_leaderboard_has_every_method_and_the_blind_baselines(platform, home):
    table = platform.home.stored("leaderboard", "shapes")["leaderboard"].scan().collect()
    assert set(table["method"]) == {"xmas", "random", "full", "majority", "question_prior"}
    assert not table["comparable"].any()  # trained for a few steps, full data is worse than a blind guess
    assert table["rel_percent"].is_null().all()
    assert (home / "reports" / "shapes" / "report.html").stat().st_size > 10_000


def test_a_selection_costs_all_that_stands_behind_it_its_preparation_and_its_choice(platform):
    home = platform.home
    behind = ("proxy_checkpoints", "attention_trajectories", "clusters")
    parts = [home.costs.of("shapes", stage).cpu_seconds for stage in behind]
    parts += [
        home.costs.of("shapes|xmas", "prepared").cpu_seconds,
        home.costs.of("shapes|xmas_b0.20_s0", "selected_subset").cpu_seconds,
    ]
    table = home.stored("leaderboard", "shapes")["leaderboard"].frame()
    ours, full = (table.filter(method=name, budget=budget) for name, budget in (("xmas", "0.20"), ("full", "1.00")))
    assert ours["selection_cpu_seconds"].to_list() == [pytest.approx(sum(parts))]
    assert full["selection_cpu_seconds"][0] < 0.5 * sum(parts)
    hours = (
        home.stored("leaderboard", "shapes")["costs"].frame().filter(method="xmas", budget="0.20").row(0, named=True)
    )
    assert 3600 * hours["select_cpu_hours"] == pytest.approx(sum(parts))
    assert hours["total_gpu_hours"] == 0
    said = xmas(home.root, "costs", "shapes")
    assert said.code == 0 and said.out.splitlines()[0].startswith("method\tbudget\tselect_cpu_hours")
    assert any(line.startswith("xmas takes") for line in said.err.splitlines())
    assert "<h2>Cost, hours</h2>" in home.report("shapes").read_text(encoding="utf-8")


def test_a_smaller_xmas_budget_lies_inside_a_larger_one(platform):
    run_selections(platform, "shapes", keys("xmas_b0.10_s0"), stages=("selected_subset",), say=lambda line: None)
    small, large = (
        set(platform.home.stored("selected_subset", f"shapes|xmas_b{b}_s0")["subset"].column("row"))
        for b in ("0.10", "0.20")
    )
    assert (len(small), len(large)) == (24, 48)
    assert small < large


def test_other_kmeans_settings_make_clusters_stale_and_nothing_before(platform, home):
    registration = Registration.named(home, "shapes")
    changed = registration.model_copy(update={"overrides": QUICK | {"clusters": {"n_clusters": 5}}})
    changed.save(home)
    platform.observe("shapes")
    try:
        assert platform.stale(DATASET_STAGES, "shapes") == ["clusters"]
    finally:
        registration.save(home)
        platform.observe("shapes")
    assert platform.stale(DATASET_STAGES, "shapes") == []


@pytest.mark.parametrize("change", [{"dtype": "bfloat16"}, {"max_tokens": 256}])
def test_another_precision_or_longest_sample_makes_what_was_trained_stale(platform, home, change):
    """The base's files are the same, so what follows must learn from ``base_model`` how they are read."""

    def stale_once_the_base_was_looked_at() -> list[str]:
        platform.observe("shapes")
        platform.materialize(["base_model", "target_base"], "shapes")
        stages = platform.stale(["base_model", "target_base", "proxy_checkpoints"], "shapes")
        return stages + platform.stale(["target_model"], "shapes|full_b1.00_s0")

    registration = Registration.named(home, "shapes")
    registration.model_copy(update={"overrides": QUICK | {"base_model": change}}).save(home)
    try:
        assert stale_once_the_base_was_looked_at() == ["proxy_checkpoints", "target_model"]
    finally:
        registration.save(home)
    assert stale_once_the_base_was_looked_at() == []


@pytest.mark.slow
def test_targets_start_from_their_own_base_and_the_proxy_is_left_alone(platform, home, tmp_path):
    large = tmp_path / "large"
    processor = build_processor()
    build_model(processor, seed=3, width=128, n_layers=2).save_pretrained(large)
    processor.save_pretrained(large)
    others = [asset for asset in DATASET_STAGES if asset != "target_base"]
    before, scored = file_times(home, others), counts(platform)["benchmark_scores"]
    registration = Registration.named(home, "shapes")
    registration.model_copy(update={"overrides": QUICK | {"target_base": {"source": str(large)}}}).save(home)
    try:
        run_selections(platform, "shapes", keys("xmas_b0.20_s0"), say=lambda line: None)
        assert file_times(home, others) == before
        trained = platform.home.stored("target_model", "shapes|xmas_b0.20_s0")["checkpoints"]
        weights = load_file(read_checkpoints(trained, home)[-1].path / "model.safetensors")
        (down,) = (weight for name, weight in weights.items() if name.endswith("layers.0.mlp.down_proj.weight"))
        assert down.shape[0] == 128
        client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        (run,) = client.search_runs(experiments, filter_string=f"params.`target_base.source` = '{large}'")
        assert run.info.run_name == "train xmas_b0.20_s0"
        assert "upstream.target_base" in run.data.tags
        assert counts(platform)["benchmark_scores"] == scored + 1
    finally:
        registration.save(home)
        run_selections(platform, "shapes", keys("xmas_b0.20_s0"), say=lambda line: None)


def test_mlflow_names_no_address_of_dagster_before_it_was_ever_served(built):
    client = MlflowClient(f"sqlite:///{built}/mlflow/mlflow.db")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    parents = [run for run in runs if run.data.tags["xmas.kind"] == "method"]
    assert sorted(run.info.run_name for run in parents) == ["full at 1.00", "random at 0.20", "xmas at 0.20"]
    selecting = [run for run in runs if run.data.tags["xmas.kind"] == "selection"]
    models = [run for run in runs if run.data.tags["xmas.kind"] == "model"]
    for below in (selecting, models):
        assert len(below) == len(BUILT)
        assert {run.data.tags["mlflow.parentRunId"] for run in below} == {run.info.run_id for run in parents}
    for run in [*selecting, *models]:
        assert [name for name, tag in run.data.tags.items() if "://" in tag] == []
        asset = "target_model" if run.data.tags["xmas.kind"] == "model" else "selected_subset"
        link, note = f"/to-dagster/runs/{run.data.tags['dagster.run']}", run.data.tags["mlflow.note.content"]
        assert f"[{asset}](/to-dagster/assets/{asset}?view=partitions&partition=shapes%7C" in note
        assert note.endswith(f", [run {link[-36:][:8]}]({link}).")
        assert run.data.tags["dagster.url"] == link


def test_one_mlflow_run_a_command_holds_its_methods_and_lasts_as_long_as_their_work(built):
    """Training is timed by its own clock; the run that MLflow shows began before it and took hardly longer."""
    client = MlflowClient(f"sqlite:///{built}/mlflow/mlflow.db")
    experiments = client.search_experiments(filter_string="name = 'shapes'")
    assert "`rel_percent`" in experiments[0].tags["mlflow.note.content"]
    runs = client.search_runs([experiments[0].experiment_id])
    (command,) = [run for run in runs if run.data.tags["xmas.kind"] == "command"]
    methods = [run for run in runs if run.data.tags["xmas.kind"] == "method"]
    assert {run.data.tags["mlflow.parentRunId"] for run in methods} == {command.info.run_id}
    for run in [run for run in runs if run.data.tags["xmas.kind"] == "model"]:
        took = (run.info.end_time - run.info.start_time) / 1000
        trained = run.data.metrics["training_wall_seconds"]
        assert trained <= took < trained + 60
        assert command.info.start_time < run.info.start_time
        assert run.info.end_time <= command.info.end_time


def test_a_targets_base_that_is_not_there_is_told_before_anything_is_trained(platform, home):
    registration = Registration.named(home, "shapes")
    overrides = QUICK | {"target_base": {"source": "no/such/place"}, "proxy": QUICK["proxy"] | {"seed": 9}}
    registration.model_copy(update={"overrides": overrides}).save(home)
    before = counts(platform)
    try:
        with pytest.raises(RunFailedError, match="target base 'no/such/place' is no directory"):
            run_selections(platform, "shapes", keys("xmas_b0.30_s0"), say=lambda line: None)
        assert counts(platform) == before
        # To choose takes no target.
        run_selections(platform, "shapes", keys("random_b0.30_s0"), stages=["selected_subset"], say=lambda line: None)
        assert counts(platform) == before | {"selected_subset": before["selected_subset"] + 1}
    finally:
        registration.save(home)
        platform.observe("shapes")


def test_an_identical_recomputation_retrains_nothing(platform, home):
    """More k-means iterations than it takes to converge give the same clusters: nothing after them is stale."""
    before = counts(platform)
    registration = Registration.named(home, "shapes")
    overrides = QUICK | {"clusters": {"n_clusters": 8, "max_iterations": 101}}
    registration.model_copy(update={"overrides": overrides}).save(home)
    run_selections(platform, "shapes", keys("xmas_b0.20_s0"), say=lambda line: None)
    after = counts(platform)
    assert after["clusters"] == before["clusters"] + 1
    assert after["target_model"] == before["target_model"]


def test_another_dataset_is_left_alone(platform, home):
    register(home, "others", seed=1)
    before = {path: data for path, data in table_bytes(home).items() if "dataset=shapes" in path}
    run_selections(platform, "others", keys("random_b0.20_s0"), say=lambda line: None)
    assert {path: data for path, data in table_bytes(home).items() if "dataset=shapes" in path} == before
    assert "clusters" not in {path.split("/")[1] for path in table_bytes(home) if "dataset=others" in path}


def test_a_misspelt_key_typed_in_the_ui_is_refused_in_one_line(platform):
    platform.instance.add_dynamic_partitions("selection", ["xmas_0.2"])
    with pytest.raises(RunFailedError, match=r"selection key 'xmas_0\.2' is not understood; write <method>_b"):
        platform.materialize(["selected_subset"], dg.MultiPartitionKey({"dataset": "shapes", "selection": "xmas_0.2"}))


def test_one_failing_selection_leaves_the_others_to_finish(platform):
    with pytest.raises(RunFailedError, match=r"1 of 2 selections failed; the first: .*'full' keeps everything"):
        both = keys("full_b0.50_s0", "random_b0.30_s0")
        run_selections(platform, "shapes", both, stages=("selected_subset",), say=lambda line: None)
    assert platform.home.stored("selected_subset", "shapes|random_b0.30_s0")["subset"].n_rows == 72


@pytest.mark.slow
def test_two_workers_give_the_same_bytes_as_one_also_after_the_home_moved(platform, home, tmp_path):
    """A copy of the home makes its selections anew, in two processes: their tables are missing there, no more."""
    moved = tmp_path / "moved"
    shutil.copytree(home, moved)
    wanted = ("dataset=shapes/selection=xmas_b0.20_s0", "dataset=shapes/selection=random_b0.20_s0")
    selections = {path: data for path, data in table_bytes(home).items() if any(name in path for name in wanted)}
    for path in selections:
        (moved / path).unlink()
    for asset in SELECTION_STAGES:
        shutil.rmtree(moved / "work" / asset)
    both = keys("xmas_b0.20_s0", "random_b0.20_s0")
    run_selections(open_platform(moved), "shapes", both, workers=2, say=lambda line: None)
    remade = table_bytes(moved)
    assert len(selections) == 6
    assert {path: remade[path] for path in selections} == selections
