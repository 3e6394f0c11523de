"""MLflow lineage on a real store: runs are found again, outages lose nothing, parallel writers do not race."""

import io
import json
import multiprocessing
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from PIL import Image

from xmas_assets.home.home import Home
from xmas_assets.resources.run_record import RunRecord
from xmas_assets.resources.tracking import Tracking
from xmas_assets_tests.e2e.platforms import register


def make_tracking(root: Path, uri: str = "") -> Tracking:
    return Tracking(home=Home.open(root), uri=uri)


def make_record(number: int = 0, **fields) -> RunRecord:
    return RunRecord(
        key=f"shapes|random_b0.10_s{number}", experiment="shapes", name=f"random_b0.10_s{number}", **fields
    )


def runs_in(tracking: Tracking):
    client = MlflowClient(tracking.tracking_uri())
    experiment = client.get_experiment_by_name("shapes")
    assert experiment is not None
    return client, client.search_runs([experiment.experiment_id])


def record_one(root: Path, number: int) -> None:
    make_tracking(root).record(make_record(number, metrics={"score": 0.5}), log=print)


def test_two_records_with_one_key_become_one_run(tmp_path):
    tracking = make_tracking(tmp_path)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "model.safetensors").write_bytes(b"weights")
    tracking.record(
        make_record(params={"epochs": "3"}, inputs={"shapes": "a" * 64}, artifacts={"model": [adapter]}, model="model"),
        log=print,
    )
    tracking.record(make_record(params={"epochs": "3"}, metrics={"score": 0.75}), log=print)

    client, runs = runs_in(tracking)
    assert len(runs) == 1
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.params == {"epochs": "3"}
    assert runs[0].data.metrics == {"score": 0.75}
    assert runs[0].inputs.dataset_inputs[0].dataset.digest == "a" * 36
    assert [v.run_id for v in client.search_model_versions("name='shapes'")] == [runs[0].info.run_id]
    assert [f.path for f in client.list_artifacts(runs[0].info.run_id, "model")] == ["model/model.safetensors"]


def test_a_run_is_shown_below_its_parent(tmp_path):
    tracking = make_tracking(tmp_path)
    parent = RunRecord(key="above", experiment="shapes", name="random at 0.10", metrics={"score": 0.25})
    tracking.record_all([parent, make_record(parent="above"), make_record(1, parent="above")], log=print)
    _, runs = runs_in(tracking)
    ids = {run.info.run_name: run.info.run_id for run in runs}
    below = {run.info.run_name for run in runs if run.data.tags.get("mlflow.parentRunId") == ids["random at 0.10"]}
    assert below == {"random_b0.10_s0", "random_b0.10_s1"}


def test_a_run_is_linked_without_a_port_since_it_may_be_another_next_time(tmp_path):
    tracking = make_tracking(tmp_path)
    linked = tracking.record(make_record(), log=print)["mlflow"].value
    (run,) = runs_in(tracking)[1]
    assert linked == f"/to-mlflow/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def test_an_experiment_has_a_view_of_its_run_list_also_one_of_an_earlier_version(tmp_path):
    tracking = make_tracking(tmp_path)
    register(tmp_path, n_train=8)
    tracking.record(make_record(), log=print)
    client, runs = runs_in(tracking)
    tag = "mlflow.sharedViewState.xmas"
    number = runs[0].info.experiment_id
    said = json.loads(client.get_experiment(number).tags[tag])
    assert said["selectedColumns"][1:3] == ["metrics.`score`", "metrics.`rel_percent`"]
    client.set_experiment_tag(number, tag, "{}")
    assert tracking.prepare() == {"shapes": f"experiments/{number}/runs?viewStateShareKey=xmas"}
    assert json.loads(client.get_experiment(number).tags[tag]) == said


def test_an_outage_keeps_the_record_and_the_next_delivery_sends_it(tmp_path):
    (tmp_path / "down").write_text("a file where the store's folder should be")
    notices: list[str] = []
    metadata = make_tracking(tmp_path, uri=f"sqlite:///{tmp_path}/down/mlflow.db").record(
        make_record(metrics={"score": 0.25}), log=notices.append
    )
    assert len(notices) == 1
    assert "waits in" in notices[0]
    assert "outbox" in str(metadata["mlflow"].value)

    working = make_tracking(tmp_path)
    assert working.waiting() == 1
    assert list(working.deliver(log=print)) == ["shapes|random_b0.10_s0"]
    assert working.waiting() == 0
    _, runs = runs_in(working)
    assert [run.data.metrics for run in runs] == [{"score": 0.25}]


def test_records_are_sent_in_their_order_also_where_the_clock_was_put_back(tmp_path):
    (tmp_path / "down").write_text("a file where the store's folder should be")
    down = make_tracking(tmp_path, uri=f"sqlite:///{tmp_path}/down/mlflow.db")
    down.record(make_record(0), log=print)
    (waiting,) = (tmp_path / "mlflow" / "outbox").glob("[0-9]*.json")
    waiting.rename(waiting.with_name(f"{10**19 - 5:020d}-{waiting.name.partition('-')[2]}"))  # from the year 2286
    down.record(make_record(1), log=print)
    assert list(make_tracking(tmp_path).deliver(log=print)) == ["shapes|random_b0.10_s0", "shapes|random_b0.10_s1"]


def test_a_file_lost_during_an_outage_does_not_hold_up_what_waits_behind_it(tmp_path):
    (tmp_path / "down").write_text("a file where the store's folder should be")
    down = make_tracking(tmp_path, uri=f"sqlite:///{tmp_path}/down/mlflow.db")
    (tmp_path / "rows.parquet").write_bytes(b"rows")
    down.record(make_record(0, artifacts={"subset": [tmp_path / "rows.parquet"]}), log=print)
    down.record(make_record(1, metrics={"score": 0.5}), log=print)
    (tmp_path / "rows.parquet").unlink()

    working = make_tracking(tmp_path)
    assert len(working.deliver(log=print)) == 2
    gone = {run.info.run_name: run.data.tags.get("xmas.artifact_gone") for run in runs_in(working)[1]}
    assert gone == {"random_b0.10_s0": f"{tmp_path}/rows.parquet", "random_b0.10_s1": None}


def test_pictures_are_artifacts_and_a_later_score_does_not_move_the_end_of_the_run(tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(picture, "PNG")
    tracking = make_tracking(tmp_path)
    tracking.record(make_record(pictures={"pictures/tasks.png": picture.getvalue()}), log=print)
    client, [before] = runs_in(tracking)
    tracking.record(make_record(metrics={"score": 0.5}), log=print)
    tracking.record(make_record(metrics={"score": 0.5}), log=print)

    _, [run] = runs_in(tracking)
    assert run.info.end_time == before.info.end_time
    assert len(client.get_metric_history(run.info.run_id, "score")) == 1
    path = client.download_artifacts(run.info.run_id, "pictures/tasks.png", str(tmp_path))
    assert Image.open(path).size == (8, 6)


def test_a_run_lasts_as_long_as_its_work_and_one_that_grows_until_the_last_end(tmp_path):
    tracking = make_tracking(tmp_path)
    above = RunRecord(key="above", experiment="shapes", name="xmas run", started=100.0, ended=105.0, grows=True)
    tracking.record(make_record(parent="above", started=103.5, ended=105.0), log=print, above=[above])
    later = above.model_copy(update={"started": 104.0, "ended": 109.0})
    tracking.record(make_record(parent="above", started=107.0, ended=109.0), log=print, above=[later])
    tracking.record_all([above], log=print)
    times = {run.info.run_name: (run.info.start_time, run.info.end_time) for run in runs_in(tracking)[1]}
    assert times == {"random_b0.10_s0": (103_500, 105_000), "xmas run": (100_000, 109_000)}


def test_a_curve_is_logged_once_and_whole_however_long_it_is(tmp_path):
    tracking = make_tracking(tmp_path)
    losses = tuple(2.0 - step / 2000 for step in range(2500))
    tracking.record(make_record(curves={"loss": losses[:700]}), log=print)  # as if it had been cut short there
    tracking.record(make_record(curves={"loss": losses}), log=print)
    tracking.record(make_record(curves={"loss": losses}), log=print)
    client, [run] = runs_in(tracking)
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == list(enumerate(losses, start=1))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_processes_on_a_fresh_store_do_not_race(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=record_one, args=(tmp_path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    _, runs = runs_in(make_tracking(tmp_path))
    assert sorted(run.info.run_name for run in runs) == [f"random_b0.10_s{n}" for n in range(4)]


def files_of(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "mlflow.db" not in path.name}


def test_a_copied_home_keeps_its_artifacts_below_itself_and_leaves_the_old_one_alone(tmp_path):
    old, new = tmp_path / "old", tmp_path / "ol"  # a name that the other begins with
    make_tracking(old).record(make_record(0, files={"note.txt": "first"}), log=print)
    shutil.copytree(old, new)
    before = files_of(old)
    tracking = make_tracking(new)
    tracking.record(make_record(1, files={"note.txt": "second"}), log=print)
    assert files_of(old) == before
    client, runs = runs_in(tracking)
    for run in runs:
        assert run.info.artifact_uri.startswith(f"{(new / 'mlflow' / 'artifacts').as_uri()}/")
        assert Path(client.download_artifacts(run.info.run_id, "note.txt")).read_text() in ("first", "second")


def test_addresses_of_a_users_own_are_left_alone(tmp_path):
    tracking = make_tracking(tmp_path)
    tracking.prepare()
    client = MlflowClient(tracking.tracking_uri())
    own = client.create_experiment("own", artifact_location=(tmp_path / "elsewhere").as_uri())
    tracking.record(make_record(), log=print)
    assert client.get_experiment(own).artifact_location == (tmp_path / "elsewhere").as_uri()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": "x"}', b"\xff\xfe"])
def test_a_damaged_record_is_set_aside_by_name_and_holds_nothing_up(tmp_path, content):
    tracking = make_tracking(tmp_path)
    waiting = tmp_path / "mlflow" / "outbox" / "00000000000000000001-x.json"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(content)
    said = []
    tracking.record(make_record(), log=said.append)
    assert tracking.waiting() == 0 and len(runs_in(tracking)[1]) == 1
    assert said == [f"{waiting} is damaged, and can never reach MLflow; it is set aside as {waiting.stem}.damaged"]
    assert waiting.with_suffix(".damaged").read_bytes() == content


def test_a_damaged_store_keeps_the_record_and_is_said(tmp_path):
    tracking = make_tracking(tmp_path)
    tracking.prepare()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"no database, and of no use " * 400)
    said = []
    tracking.record(make_record(), log=said.append)
    assert tracking.waiting() == 1 and "it waits in" in said[0] and "\n" not in said[0]
