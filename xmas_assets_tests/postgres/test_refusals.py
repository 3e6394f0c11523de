"""A database that cannot be used is one line with the remedy, and no line holds its password."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from xmas_assets.home.home import Home
from xmas_assets.home.tracking_store import TrackingStore
from xmas_assets.orchestration.platform import open_instance
from xmas_assets.orchestration.process_claims import (
    PROCESS_TAG,
    cancel_runs_of_ended_servers,
    end_killed_runs,
    live_runs,
    process_claim,
    runs_of_living_servers,
)
from xmas_assets.resources.run_record import RunRecord
from xmas_assets.resources.tracking import Tracking
from xmas_assets_tests.browser.served import free_port
from xmas_assets_tests.e2e.platforms import register, xmas
from xmas_assets_tests.postgres.server import PASSWORD, Server, needs_drivers

SECRET = "secret-of-nobody"
FROM_VARIABLE = "storage: {postgres: {postgres_url: {env: XMAS_DAGSTER_DB}}}\n"


def home_with(tmp_path: Path, *, dagster: str = "", tracking: str = "") -> Path:
    home = tmp_path / "home"
    register(home, n_train=8)
    for folder, name, text in (("dagster", "dagster.yaml", dagster), ("mlflow", "tracking.yaml", tracking)):
        if text:
            (home / folder).mkdir(exist_ok=True)
            (home / folder / name).write_text(text)
    return home


def refused(home: Path) -> str:
    message = xmas(home, "status", "shapes").message
    assert SECRET not in message
    return message


@needs_drivers
@pytest.mark.parametrize(
    ("settings", "address", "message"),
    [
        (FROM_VARIABLE, "", "the variable XMAS_DAGSTER_DB, which {file} names, is not set; set it to the address"),
        (FROM_VARIABLE, f"postgresql://u:{SECRET}@127.0.0.1:{{port}}/d", "Dagster's database is postgresql://..., see"),
        (FROM_VARIABLE, SECRET, "what {file} names is no address of a database; write postgresql+psycopg2://USER:"),
        (
            FROM_VARIABLE,
            f"postgresql+psycopg2://u:{SECRET}@127.0.0.1:{{port}}/d",
            "Dagster's database at postgresql+psycopg2://u:***@127.0.0.1:{port}/d cannot be used (",
        ),
        (
            f"storage: {{postgres: {{postgres_url: 'postgresql+psycopg2://u:{SECRET}@h/d'}}}}\n",
            "",
            "{file} holds a password, which Dagster shows on its pages; put the address into a variable, and write",
        ),
        (
            "storage: {postgres: {postgres_db: {scheme: postgresql+psycopg2, "
            f"username: u, password: {SECRET}}}}}}}\n",
            "",
            "{file} holds a password, which Dagster shows on its pages",
        ),
        (
            "storage: {postgres: {postgres_db: {username: u, hostname: h, db_name: d}}}\n",
            "",
            "{file}: postgres_db needs scheme: postgresql+psycopg2, or another driver is looked for",
        ),
    ],
)
def test_a_database_of_dagsters_that_cannot_be_used_is_one_line(tmp_path, monkeypatch, settings, address, message):
    port = free_port()
    monkeypatch.setenv("XMAS_DAGSTER_DB", address.format(port=port))
    home = home_with(tmp_path, dagster=settings)
    said = refused(home)
    assert said.startswith("xmas: " + message.format(file=home / "dagster" / "dagster.yaml", port=port))


@pytest.mark.parametrize(
    ("settings", "address", "message"),
    [
        (
            "uri: {env: XMAS_MLFLOW_URI}\n",
            "",
            "the variable XMAS_MLFLOW_URI, which {file} names, is not set; set it to",
        ),
        (
            "uri: {env: XMAS_MLFLOW_URI}\n",
            f"ftp://u:{SECRET}@h",
            "the variable XMAS_MLFLOW_URI, which {file} names, is no",
        ),
        (f"uri: http://u:{SECRET}@h:5000\n", "", "{file}: uri holds a password; put the address into a variable, and"),
        ("uri: http://h:port\n", "", "{file}: uri is no address of a store; write postgresql://USER@HOST/NAME or http"),
        ("artifacts: s3://b/p\n", "", "{file}: needs uri: ADDRESS, or uri: {{env: NAME}} for one with a password"),
        ("uri: http://h\nartifacts: here\n", "", "{file}: artifacts is 'here'; write an address such as s3://bucket"),
        ("url: http://h\n", "", "{file}: 'url' is not known; it may hold uri and artifacts"),
    ],
)
def test_settings_of_mlflows_store_that_cannot_be_used_are_said_by_the_doctor(
    tmp_path, monkeypatch, settings, address, message
):
    monkeypatch.setenv("XMAS_MLFLOW_URI", address)
    home = home_with(tmp_path, tracking=settings)
    said = xmas(home, "doctor")
    file = home / "mlflow" / "tracking.yaml"
    assert said.code == 2 and f"MLflow has no store: {message.format(file=file)}" in said.out
    assert SECRET not in said.out + said.err


def store_of(tmp_path: Path, settings: str) -> TrackingStore:
    return TrackingStore.of(Home.open(home_with(tmp_path, tracking=settings)))


@needs_drivers
def test_a_store_of_mlflows_is_a_database_with_files_in_the_home_or_where_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("DB", f"postgresql://u:{SECRET}@h/d")
    store = store_of(tmp_path / "a", "uri: {env: DB}\n")
    assert store == (f"postgresql+psycopg2://u:{SECRET}@h/d", (tmp_path / "a/home/mlflow/artifacts").as_uri(), False)
    assert store.shown == "postgresql+psycopg2://u:***@h/d" and not store.is_server
    assert store_of(tmp_path / "b", "uri: {env: DB}\nartifacts: s3://b/p\n").artifacts == "s3://b/p"


def test_a_server_of_mlflows_decides_where_files_are_and_is_linked_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVER", f"https://u:{SECRET}@mlflow.example.org/lab/")
    store = store_of(tmp_path, "uri: {env: SERVER}\n")
    assert (store.artifacts, store.is_server, store.page) == (None, True, "https://mlflow.example.org/lab")
    assert SECRET not in store.shown


@pytest.mark.parametrize("scheme", ["http", pytest.param("postgresql", marks=needs_drivers)])
def test_a_store_that_is_away_costs_a_notice_within_seconds_and_no_record(tmp_path, monkeypatch, scheme):
    port = free_port()
    monkeypatch.setenv("AWAY", f"{scheme}://u:{SECRET}@127.0.0.1:{port}/d")
    home = Home.open(home_with(tmp_path, tracking="uri: {env: AWAY}\n"))
    said: list[str] = []
    Tracking(home=home).record(RunRecord(key="k", experiment="shapes", name="a run"), log=said.append)
    waits = f"MLflow did not take 'a run' (127.0.0.1:{port} does not answer: Connection refused); it waits in "
    assert [line.startswith(waits) for line in said] == [True]
    doctor = xmas(home.root, "doctor")
    assert doctor.code == 2 and "1 MLflow records wait for delivery to " in doctor.out
    assert SECRET not in doctor.out + doctor.err + said[0]


@pytest.mark.timeout(120)
def test_a_wrong_password_is_one_line_at_once(postgres: Server, tmp_path, monkeypatch):
    monkeypatch.setenv("XMAS_DAGSTER_DB", postgres.address("postgres", password=SECRET))
    message = refused(home_with(tmp_path, dagster=FROM_VARIABLE))
    assert "cannot be used (" in message and 'password authentication failed for user "xmas"' in message


@pytest.mark.timeout(120)
def test_of_a_shared_database_a_command_ends_its_own_homes_killed_runs_alone(postgres: Server, tmp_path, monkeypatch):
    monkeypatch.setenv("XMAS_DAGSTER_DB", postgres.create("shared"))
    homes = [Home.open(home_with(tmp_path / name, dagster=FROM_VARIABLE)) for name in ("ours", "theirs")]
    ours, theirs = (home.locks.folder for home in homes)
    instance = open_instance(homes[0])
    assert PASSWORD not in instance.info_str()

    def started(**tags: str) -> str:
        run = instance.create_run_for_job(_nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
        return run.run_id

    place = process_claim(ours).split("-")[1]
    living, killed = process_claim(theirs), f"process-{place}-gone.lock"
    (ours / killed).touch()
    shutil.copy(theirs / living, ours / living)  # as in a copy of the home that goes on
    code_server = {"host": "localhost", "socket": str(tmp_path / "on-another-machine")}
    tag = ".dagster/grpc_info"
    elsewhere = started(**{PROCESS_TAG: living})
    gone = started(**{PROCESS_TAG: killed})
    served = started(**{tag: dg.serialize_value(code_server)})
    assert {run.run_id for run in live_runs(instance, ours)} == {elsewhere, served}
    end_killed_runs(instance, ours)
    assert runs_of_living_servers(instance) == set()
    cancel_runs_of_ended_servers(instance, runs_of_living_servers(instance))
    statuses = {run.run_id: run.status.value for run in instance.get_runs()}
    assert statuses == {elsewhere: "STARTED", gone: "FAILURE", served: "STARTED"}
    cancel_runs_of_ended_servers(instance, {served})
    assert instance.get_run_by_id(served).status.value == "CANCELED"


@dg.job
def _nothing() -> None:
    pass
