"""What a run is asked for: budgets and keys in any spelling, settings and files of studies; and what it would take."""

import json
import shutil

import dagster as dg
import pytest
import yaml

from xmas_assets.home.home import Home
from xmas_assets.orchestration.process_claims import PROCESS_TAG
from xmas_assets_tests.cli.terminal import terminal
from xmas_assets_tests.e2e.platforms import KEY, open_platform, xmas

PLAN = ("plan", "shapes", "--method", "random", "--budget")


def steps(said) -> dict[str, dict]:
    return {row["step"]: row for row in json.loads(said.out)["steps"]}


def test_a_budget_is_a_share_a_percentage_or_a_number_of_rows(copied):
    select = ("select", "shapes", "--method", "random", "--seeds", "1")
    said = xmas(copied, *select, "--budget", "20%", "--budget", ".2", "--budget", "48", "--budget", "7")
    assert (said.code, said.out) == (0, "random_b0.20_s0  48 rows\nrandom_b0.03_s0  7 rows\n")
    assert "a budget of 241 rows is more than the 240" in xmas(copied, *select, "--budget", "241").err
    assert "budget 120% is out of range" in xmas(copied, *select, "--budget", "120%").message


@pytest.mark.parametrize("key", ["xmas_b0.2_s0", "xmas_b.20_s0", "xmas_b20%_s0", "xmas_b0.200_s00"])
def test_a_selection_is_found_by_a_key_in_any_equal_spelling(copied, tmp_path, key):
    said = xmas(copied, "export", "shapes", key, "--to", tmp_path / "subset.json")
    assert (said.code, said.out.split(" in ")[0]) == (0, "48 records")
    assert len(json.loads((tmp_path / "subset.json").read_text())) == 48


def test_status_says_why_something_is_stale_and_what_to_run(built, tmp_path):
    copied = shutil.copytree(built, tmp_path / "home")
    document = json.loads(xmas(copied, "status", "shapes", "--json").out)
    assets = {row["asset"]: row for row in document["assets"]}
    assert (assets["clusters"]["fresh"], assets["clusters"]["wanted"], assets["clusters"]["why"]) == (1, True, None)
    assert (assets["gradients"]["missing"], assets["gradients"]["wanted"]) == (1, False)
    (seen,) = document["datasets"]
    assert (seen["rows"], seen["running"], seen["next"]) == (240, None, None)
    assert seen["cpu_hours"] > 0
    path = copied / "datasets" / "shapes.yaml"
    before = path.read_text()
    try:
        assert xmas(copied, "plan", "shapes", "--method", "xmas", "--budget", "0.2").err.endswith("up to date\n")
        changed = yaml.safe_load(before)
        changed["overrides"]["clusters"]["n_clusters"] = 7
        path.write_text(yaml.safe_dump(changed))
        document = json.loads(xmas(copied, "status", "--json").out)
        stale = {row["asset"]: row["why"] for row in document["assets"] if row["stale"]}
        assert stale == {"clusters": "settings/clusters changed"}
        assert "xmas run shapes --method full" in document["datasets"][0]["next"]
        with terminal(["xmas", "status"], copied) as screen:
            drawn = screen.read()
        assert "  stale    clusters: settings/clusters changed" in drawn
        assert len(drawn.splitlines()) < 24
        planned = steps(xmas(copied, "plan", "shapes", "--method", "xmas", "--budget", "0.2", "--json"))
        assert list(planned) == ["clusters", "selected_subset", "target_model", "benchmark_scores"]
        assert {row["how often"] for row in planned.values()} == {1}
        assert all(row["as measured on"] == "this dataset" and row["seconds"] >= 0 for row in planned.values())
    finally:
        path.write_text(before)


def test_a_plan_makes_nothing_and_says_what_was_never_measured(copied):
    before = {path for path in copied.rglob("*") if "dagster" not in path.parts and "locks" not in path.parts}
    planned = steps(xmas(copied, *PLAN, "0.5", "--budget", "0.25", "--seeds", "3", "--json"))
    assert {name: row["how often"] for name, row in planned.items()} == {
        "selected_subset": 6, "target_model": 6, "benchmark_scores": 6,
    }  # fmt: skip
    unknown = xmas(copied, "run", "shapes", "--method", "coincide", "--dry-run")
    assert unknown.err.splitlines()[-1].endswith("never measured here: 1 of 4 steps")
    assert xmas(copied, "status", "shapes", "--json").out.count("coincide") == 0
    after = {path for path in copied.rglob("*") if "dagster" not in path.parts and "locks" not in path.parts}
    assert after == before


def test_a_larger_budget_is_planned_to_train_longer_by_its_rows(copied):
    small, large = (steps(xmas(copied, *PLAN, budget, "--json"))["target_model"] for budget in ("0.25", "0.75"))
    assert large["seconds"] == pytest.approx(3 * small["seconds"], abs=0.2)


def test_a_study_in_a_file_is_run_as_its_options_would_be(copied, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text("dataset: shapes\nmethods: [random, full]\nbudgets: [0.2, 25%]\nseeds: 1\n")
    said = xmas(copied, "select", study)
    assert said.out.split() == ["random_b0.20_s0", "48", "rows", "random_b0.25_s0", "60", "rows",
                                "full_b1.00_s0", "240", "rows"]  # fmt: skip
    assert xmas(copied, "select", study, "--budget", "0.1", "--method", "random").out == "random_b0.10_s0  24 rows\n"
    study.write_text("dataset: shapes\nmethod: [random]\n")
    assert "no method was named" in xmas(copied, "select", study).err
    study.write_text("dataset: shapes\nmethods: [random]\nseed: 3\n")
    assert "seed: Extra inputs are not permitted" in xmas(copied, "select", study).err
    assert "cannot be read" in xmas(copied, "select", tmp_path / "absent.yaml").err


def test_set_writes_settings_into_the_registration_and_says_so(own):
    select = ("select", "own", "--method", "random", "--budget", "0.5")
    said = xmas(own, *select, "--set", "proxy.epochs=2", "--set", "methods.parameters.xmas.variant=reference")
    path = own / "datasets" / "own.yaml"
    line = f"proxy.epochs, methods.parameters.xmas.variant set from now on (see 'overrides' in {path})"
    assert (said.code, said.err.splitlines()[1]) == (0, line)
    settings = Home.locate(own).settings("own")
    assert (settings.proxy.epochs, settings.methods.parameters) == (2, {"xmas": {"variant": "reference"}})
    assert "set from now on" not in xmas(own, *select, "--set", "proxy.epochs=2").err
    before = path.read_text()
    for text, message in {
        "proxy.epoch=2": "for 'epoch' did you mean 'epochs'?",
        "proxy.epochs.more=2": "goes on below a value",
        "proxy.epochs=many": "proxy.epochs: Input should be",
        "proxy.epochs": "write NAME=VALUE",
        "proxi.epochs=1": "did you mean 'proxy'?",
        "methods.parameters.xmass.variant=reference": "of --set: method 'xmass' is not known; did you mean 'xmas'?",
        "methods.parameters.xmas.varient=reference": "parameter varient of method 'xmas'",
    }.items():
        assert message in xmas(own, *select, "--set", text).err, text
    path.write_text(before.replace("overrides:\n", "overrides:  # mine\n"))
    assert "holds comments" in xmas(own, *select, "--set", "proxy.epochs=1").err
    assert path.read_text() == before.replace("overrides:\n", "overrides:  # mine\n")


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(copied):
    for words, meant in {
        ("leaderboard", "shape"): "shapes",
        ("run", "shapes", "--method", "rndom"): "random",
        ("sql", "--query", "cluster_size"): "cluster_sizes",
        ("dataset", "add", "new", "--annotations", __file__, "--profile", "toi"): "toy",
    }.items():
        assert f"did you mean '{meant}'?" in xmas(copied, *words).err, words


def test_without_a_terminal_each_stage_and_each_selection_says_how_long_it_took(own):
    said = xmas(own, "select", "own", "--method", "random", "--budget", "0.25", "--budget", "0.75", "--set",
                "proxy.epochs=1").err.splitlines()  # fmt: skip
    assert any(line.startswith("random_b0.25_s0: done, 1 of 2, about ") for line in said)
    assert said[-1] == "random_b0.75_s0: done, 2 of 2"
    assert KEY not in said


def test_a_run_that_fails_on_its_way_is_one_line_and_exit_code_1(own):
    (own.parent / "data" / "train.json").write_text('[{"id": 1}]')
    said = xmas(own, "select", "own", "--method", "random", "--budget", "0.5")
    assert (said.code, said.err.splitlines()[-1].startswith("xmas: raw_dataset of own: ")) == (1, True)
    assert "Traceback" not in said.err


def test_status_says_what_is_running_and_not_what_was_killed(own):
    platform = open_platform(own)
    (own / "locks").mkdir(exist_ok=True)
    (own / "locks" / "process-gone.lock").touch()
    runs = {"proxy_checkpoints": "process-elsewhere.lock", "clusters": "process-gone.lock"}
    for asset, owner in runs.items():
        platform.instance.create_run_for_job(
            platform.defs.resolve_implicit_global_asset_job_def(),
            asset_selection=frozenset({dg.AssetKey(asset)}),
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": "own", PROCESS_TAG: owner},
        )
    (seen,) = json.loads(xmas(own, "status", "own", "--json").out)["datasets"]
    assert seen["running"] == "proxy_checkpoints"
