"""The UIs as a person meets them, in Chromium: add a partition, materialize, see the pictures, compare the runs."""

import json
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from filelock import FileLock
from mlflow import MlflowClient
from playwright.sync_api import Page, expect

from xmas_assets.data.registration import Registration
from xmas_assets_tests.browser.served import LOCATION, Served, wait_for
from xmas_assets_tests.e2e.platforms import QUICK, register

expect.set_options(timeout=60_000)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def materialize_new_selection(page: Page, served: Served, selection: str, *, dataset: str = "shapes") -> None:
    """From the front page, through the Materialize dialog with a selection typed by hand, to a launched run."""
    page.goto(served.dagster)
    page.get_by_role("link", name="Catalog").click()
    page.get_by_role("link", name="selected_subset").click()
    page.get_by_role("button", name=re.compile("Materialize")).first.click()
    page.get_by_text("Add a partition", exact=True).nth(1).click()
    page.get_by_placeholder("name").fill(selection)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_placeholder("name")).to_be_hidden()
    choose(page, 0, dataset)
    choose(page, 0, selection)  # "dataset" has no placeholder any more, so this is "selection"
    page.get_by_role("button", name=re.compile("^Launch")).click()
    expect(page.get_by_role("button", name=re.compile("^Launch"))).to_be_hidden()


def choose(page: Page, dimension: int, partition: str) -> None:
    page.get_by_text("Select a partition or create one").nth(dimension).click()
    page.get_by_placeholder("Filter partitions").fill(partition)
    page.get_by_role("menu").last.locator("span", has_text=re.compile(f"^{re.escape(partition)}$")).click()
    page.keyboard.press("Escape")


def open_latest_run(page: Page, served: Served) -> None:
    page.goto(f"{served.dagster}/runs")
    page.locator("a", has_text=re.compile("^[0-9a-f]{8}$")).first.click()


def test_a_selection_typed_in_the_dialog_is_materialized_and_its_picture_is_seen(page, served):
    materialize_new_selection(page, served, "xmas_b0.25_s0")
    open_latest_run(page, served)
    expect(page.get_by_text("Success", exact=True)).to_be_visible(timeout=120_000)
    page.goto(f"{served.dagster}/assets/selected_subset?view=partitions&partition={quote('shapes|xmas_b0.25_s0')}")
    expect(page.get_by_text("Materialized", exact=True)).to_be_visible()
    expect(page.get_by_text("60 of 240 rows (25.0 %)")).to_be_visible()
    picture = page.locator("img[src^='/pictures/']").first  # without a click
    expect(picture).to_be_visible()
    wait_for(lambda: picture.evaluate("image => image.complete"), "the picture", seconds=60)
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 300
    shown = picture.bounding_box()
    assert shown is not None
    assert shown["x"] + shown["width"] < 1500  # nothing is cut off at the right


def test_mlflow_compares_two_runs_with_their_scores(page, served):
    client = MlflowClient(f"sqlite:///{served.home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("shapes")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`xmas.kind` = 'model'", order_by=["start_time"])[:2]
    ids = quote(json.dumps([run.info.run_id for run in runs]))
    page.goto(f"{served.mlflow}/#/compare-runs?runs={ids}&experiments={quote(json.dumps([experiment.experiment_id]))}")
    expect(page.get_by_text("Comparing 2 Runs from 1 Experiment")).to_be_visible()
    for name in ("train xmas_b0.20_s0", "train random_b0.20_s0"):
        expect(page.get_by_text(name, exact=True)).to_be_visible()
    expect(page.get_by_text("score", exact=True).first).to_be_attached()
    expect(page.get_by_text("score/colour", exact=True).first).to_be_attached()


@pytest.mark.slow
def test_the_link_to_mlflow_opens_the_run_there_and_one_back_opens_the_asset(page, served):
    page.goto(f"{served.dagster}/assets/selected_subset?view=partitions&partition={quote('shapes|random_b0.20_s0')}")
    with page.expect_popup() as opened:
        page.locator("a[href^='/to-mlflow/experiments/']").first.click()
    run = opened.value
    expect(run.get_by_text("select random_b0.20_s0", exact=True).first).to_be_visible()
    assert run.url.startswith(f"{served.mlflow}/#/experiments/")
    back = run.locator("a[href^='/to-dagster/assets/selected_subset']").first
    run.goto(f"{served.mlflow}{back.get_attribute('href')}")
    expect(run.get_by_text("Materialized", exact=True)).to_be_visible()
    assert run.url.startswith(f"{served.dagster}/assets/selected_subset?")
    run.close()


def test_the_run_list_shows_score_and_rel_percent_to_whom_chose_no_columns(page, served):
    client = MlflowClient(f"sqlite:///{served.home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("shapes")
    assert experiment is not None
    [run, *_] = client.search_runs([experiment.experiment_id], "tags.`xmas.kind` = 'model'")
    client.log_metric(run.info.run_id, "rel_percent", 90.0)  # MLflow shows no column of a metric that no run has
    page.goto(f"{served.mlflow}/to-mlflow/experiments/{experiment.experiment_id}/runs?viewStateShareKey=xmas")
    for column in ("Source", "score", "rel_percent"):
        expect(page.get_by_role("columnheader", name=column, exact=True).first).to_be_visible()
    expect(page.get_by_text("train xmas_b0.20_s0", exact=True).first).to_be_visible()


@pytest.mark.slow
def test_a_misspelt_selection_is_refused_in_one_line_on_the_run_page(page, served):
    materialize_new_selection(page, served, "xmas_0.2")
    open_latest_run(page, served)
    refused = "selection key 'xmas_0.2' is not understood; write <method>_b<budget fraction>_s<seed>"
    expect(page.get_by_text(refused).first).to_be_visible(timeout=120_000)


@pytest.mark.slow
def test_a_backfill_with_one_failing_partition_finishes_the_others(served):
    add_selections(served, "random_b0.30_s0", "xmas_0.3", "xmas_b0.30_s0")
    partitions = [f"shapes|{selection}" for selection in ("random_b0.30_s0", "xmas_0.3", "xmas_b0.30_s0")]
    served.backfill(["selected_subset"], partitions)
    wait_for(lambda: len(set(ended_runs(served)) & set(partitions)) == 3, "the backfill's runs to end", seconds=120)
    assert {partition: ended_runs(served)[partition] for partition in partitions} == {
        "shapes|random_b0.30_s0": "SUCCESS",
        "shapes|xmas_0.3": "FAILURE",
        "shapes|xmas_b0.30_s0": "SUCCESS",
    }


@pytest.mark.slow
def test_a_rerun_from_failure_runs_only_what_failed_and_what_follows(served):
    add_selections(served, "random_b0.35_s0")
    in_the_way = served.home / "work" / "target_model"
    kept = in_the_way.rename(served.home / "kept")
    in_the_way.write_text("no directory")
    stages = ["selected_subset", "target_model", "benchmark_scores"]
    failed = served.launch(stages, "shapes", "random_b0.35_s0")
    status, steps = served.finish(failed)
    in_the_way.unlink()
    kept.rename(in_the_way)
    assert (status, steps["selected_subset"], steps["target_model"]) == ("FAILURE", "SUCCESS", "FAILURE")

    status, steps = served.finish(served.rerun_from_failure(failed))
    assert status == "SUCCESS"
    assert "selected_subset" not in steps
    assert {steps["target_model"], steps["benchmark_scores"]} == {"SUCCESS"}


@pytest.mark.slow
def test_the_sensor_takes_up_a_new_dataset_file_and_a_changed_setting(page, served):
    assert served.stale("clusters", "shapes") == "FRESH"
    broken = served.home / "datasets" / "broken.yaml"
    broken.write_text("annotations: [")  # must not hide the others
    register(served.home, "others", seed=1)
    registration = Registration.named(served.home, "shapes")
    registration.model_copy(update={"overrides": QUICK | {"clusters": {"n_clusters": 5}}}).save(served.home)
    wait_for(lambda: "others" in dataset_partitions(served), "the sensor to add the dataset", seconds=90)
    wait_for(lambda: served.stale("clusters", "shapes") == "STALE", "the badge to turn stale", seconds=90)
    page.goto(f"{served.dagster}/assets/clusters?view=partitions&partition=shapes")
    expect(page.get_by_text("Unsynced (1)")).to_be_visible()
    assert served.stale("attention_trajectories", "shapes") == "FRESH"
    assert "broken" not in dataset_partitions(served)
    broken.unlink()


def test_shell_characters_in_the_path_of_the_home_reach_no_shell(served):
    """After all of the above: servers, runs and a backfill worked in a folder named like a command."""
    assert "; touch owned" in served.home.name
    assert [path for folder in (Path.cwd(), served.home.parent) for path in folder.rglob("owned")] == []


def test_sigterm_ends_both_servers_and_a_run_in_progress_and_leaves_no_process(served):
    """Last, since it ends the servers of this file."""
    registration = Registration.named(served.home, "shapes")
    overrides = QUICK | {"target": {"epochs": 1000, "threads": 1}}
    registration.model_copy(update={"overrides": overrides}).save(served.home)
    run = served.launch(["target_model"], "shapes", "xmas_b0.20_s0")
    wait_for(lambda: served.statuses(run)[1].get("target_model") == "IN_PROGRESS", "training to start", seconds=120)
    family = psutil.Process(served.process.pid).children(recursive=True)
    assert len(family) >= 6  # web server, daemon, a code server for each, run, mlflow, uvicorn

    served.process.terminate()
    assert served.process.wait(timeout=60) == 0
    assert [process.cmdline() for process in family if process.is_running()] == []
    with sqlite3.connect(served.home / "dagster" / "history" / "runs.db") as runs:
        [(status,)] = runs.execute("SELECT status FROM runs WHERE run_id = ?", (run,))
    assert status in {"FAILURE", "CANCELED"}
    for path in (served.home / "locks").glob("target_model__*.lock"):
        FileLock(path).acquire(timeout=0)


def add_selections(served: Served, *selections: str) -> None:
    for selection in selections:
        answer = served.ask(
            "mutation($r: RepositorySelector!, $k: String!) {addDynamicPartition("
            'repositorySelector: $r, partitionsDefName: "selection", partitionKey: $k) {__typename}}',
            r=LOCATION,
            k=selection,
        )
        assert answer["addDynamicPartition"]["__typename"] == "AddDynamicPartitionSuccess"


def ended_runs(served: Served) -> dict[str, str]:
    """Status of the last ended run of every partition."""
    shown = "... on Runs {results {status tags {key value}}}"
    runs = served.ask(f"query {{runsOrError(filter: {{statuses: [SUCCESS, FAILURE]}}) {{{shown}}}}}")
    latest: dict[str, str] = {}
    for run in runs["runsOrError"]["results"]:  # newest first
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        latest.setdefault(tags["dagster/partition"], run["status"])
    return latest


def dataset_partitions(served: Served) -> list[str]:
    query = "query($k: AssetKeyInput!) {assetNodeOrError(assetKey: $k) {... on AssetNode {partitionKeys}}}"
    return served.ask(query, k={"path": ["raw_dataset"]})["assetNodeOrError"]["partitionKeys"]
