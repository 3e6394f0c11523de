"""The processes that the compose file names, started without containers: a run launched in the web server's GraphQL."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from xmas_assets_tests.browser.served import Served, free_port
from xmas_assets_tests.deploy.compose import FOLDER, SERVICES, environment_variables, filled
from xmas_assets_tests.e2e.platforms import QUICK, register
from xmas_assets_tests.postgres.server import PASSWORD, missing, serve

PORTS = {"5000": "mlflow", "3000": "webserver", "4000": "worker", "9000": "objects"}
TOKEN = "token-of-the-test-do-not-show"
SECRETS = {"POSTGRES_PASSWORD": PASSWORD, "OBJECTS_PASSWORD": "objects-pw-do-not-show", "XMAS_UI_TOKEN": TOKEN}


class Deployment:
    """The services of the compose file as processes of this machine."""

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self.folder, self.ports = folder, ports
        self.home = folder / "home"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "deploy").mkdir()
        for path in FOLDER.iterdir():
            if path.is_file():
                (folder / "deploy" / path.name).write_text(self.here(path.read_text()))
        (folder / "deploy" / "start.sh").chmod(0o755)

    def here(self, text: str) -> str:
        """A text of the deployment with the names and ports of containers replaced by this machine's."""
        for name in ("postgres", "objects", "mlflow", "worker"):
            text = text.replace(f"@{name}/", f"@127.0.0.1:{self.ports['postgres']}/")
            text = text.replace(f"//{name}:", "//127.0.0.1:").replace(f"={name}:", "=127.0.0.1:")
        for port, name in PORTS.items():
            for before in (":", "=", "port: "):
                text = text.replace(f"{before}{port}", f"{before}{self.ports[name]}")
        return text.replace("/deploy/", f"{self.folder}/deploy/").replace("0.0.0.0", "127.0.0.1")

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service."""
        given = {key: self.here(value) for key, value in filled(SERVICES[name]["environment"], SECRETS).items()}
        if "XMAS_HOME" in given:
            given |= {"XMAS_HOME": str(self.home), "DAGSTER_HOME": str(self.home / "dagster")}
        if "XMAS_WORKER" in given:
            given["XMAS_WORKER"] = "127.0.0.1"
        return (
            os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"} | given
        )

    def start(self, name: str) -> None:
        """Start a service as its container does."""
        words = [self.here(word) for word in SERVICES[name]["command"]]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [self.folder / "deploy" / "start.sh", *words],
                env=self.environment(name),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def once(self, name: str, words: list[str]) -> int:
        """How a command in a service's container ends."""
        return subprocess.run(
            [self.here(word) for word in words], env=self.environment(name), capture_output=True, timeout=60
        ).returncode

    def is_healthy(self, name: str) -> bool:
        """What the service's own health check says."""
        assert self.processes[name].poll() is None, (self.folder / f"{name}.log").read_text()[-3000:]
        return self.once(name, SERVICES[name]["healthcheck"]["test"][1:]) == 0

    def wait(self, name: str) -> None:
        """Wait until a service is healthy."""
        ends = time.monotonic() + 240
        while not self.is_healthy(name):
            assert time.monotonic() < ends, (self.folder / f"{name}.log").read_text()[-3000:]
            time.sleep(1)

    def stop(self) -> None:
        """End all that was started."""
        family = [each for process in self.processes.values() for each in _family(process.pid)]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for each in family:
                if each.is_running():
                    each.send_signal(number)
            _, family = psutil.wait_procs(family, timeout=20)


def _family(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def object_store(port: int) -> Iterator[None]:
    """A stand-in for the object store, which speaks S3."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None and time.monotonic() < ends
            time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def deployment(tmp_path) -> Iterator[Deployment]:
    if lacks := missing():
        pytest.skip(lacks)
    if find_spec("moto") is None or find_spec("boto3") is None:
        pytest.skip("no object store to stand in: pip install 'moto[server]' boto3")
    assert environment_variables() == set(SECRETS)
    with ExitStack() as stack:
        server = stack.enter_context(serve())
        for database in ("dagster", "mlflow"):
            server.create(database)
        ports = {name: str(free_port()) for name in PORTS.values()} | {"postgres": str(server.port)}
        stack.enter_context(object_store(int(ports["objects"])))
        deployment = Deployment(tmp_path, ports)
        stack.callback(deployment.stop)
        yield deployment


def ask(address: str, body: dict, token: str = TOKEN) -> dict:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_that_is_launched_in_the_web_server_is_executed_by_the_worker_and_recorded(deployment):
    assert deployment.once("bucket", SERVICES["bucket"]["command"]) == 0
    assert deployment.once("bucket", SERVICES["bucket"]["command"]) == 0  # it is there
    for name in ("mlflow", "worker", "daemon", "webserver"):  # in the order that they depend on each other
        deployment.start(name)
        if name != "daemon":
            deployment.wait(name)
    register(deployment.home, n_train=96, overrides=QUICK)
    here = "http://127.0.0.1:"
    served = Served(deployment.home, here + deployment.ports["webserver"], "", deployment.processes["webserver"])  # pyright: ignore
    add = "mutation($s: RepositorySelector!, $d: String!, $k: String!) {addDynamicPartition(repositorySelector: $s, "
    add += "partitionsDefName: $d, partitionKey: $k) {__typename}}"
    location = {"repositoryName": "__repository__", "repositoryLocationName": "xmas_assets.definitions"}
    for definition, key in (("dataset", "shapes"), ("selection", "random_b0.50_s0")):
        served.ask(add, s=location, d=definition, k=key)
    first = served.launch(["raw_dataset", "base_model"], "shapes")
    assert served.finish(first, seconds=240)[0] == "SUCCESS"
    second = served.launch(["selected_subset"], "shapes", "random_b0.50_s0")
    assert served.finish(second, seconds=240)[0] == "SUCCESS"
    deployment.wait("daemon")

    mlflow = f"{here}{deployment.ports['mlflow']}/api/2.0/mlflow"
    experiments = ask(f"{mlflow}/experiments/search", {"max_results": 10})["experiments"]
    (shapes,) = [each for each in experiments if each["name"] == "shapes"]
    assert shapes["artifact_location"].startswith("mlflow-artifacts:/")
    runs = ask(f"{mlflow}/runs/search", {"experiment_ids": [shapes["experiment_id"]]})["runs"]
    assert "select random_b0.50_s0" in {run["info"]["run_name"] for run in runs}
    assert not list(deployment.home.glob("mlflow/outbox/[0-9]*")) and not list(deployment.home.rglob("*.db"))
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ.setdefault(name, "x")
    store = boto3.client("s3", endpoint_url=here + deployment.ports["objects"], region_name="us-east-1")
    kept = [each["Key"] for each in store.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert any(key.endswith("manifest.json") for key in kept), kept

    lines = [" ".join(each.cmdline()) for process in deployment.processes.values() for each in _family(process.pid)]
    logs = [path.read_text() for path in deployment.folder.glob("*.log")]
    shown = served.ask("{instance {info}}")["instance"]["info"]
    files = [path.read_bytes().decode("latin-1") for path in deployment.home.rglob("*") if path.is_file()]
    assert len(lines) >= 5 and "PostgresRunStorage" in shown or "postgres" in shown
    for secret in SECRETS.values():
        assert not any(secret in text for text in (*lines, *logs, shown, *files))
