"""What a page from elsewhere can do in a browser while ``xmas ui`` runs: nothing. Programs and our own pages can."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from xmas_assets_tests.browser.served import LOCATION, serve

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

ATTACKS = (Path(__file__).parent / "hostile_page.html").read_text()
MUTATION = (
    'mutation {addDynamicPartition(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: '
    '"xmas_assets.definitions"}, partitionsDefName: "dataset", partitionKey: "KEY") {__typename}}'
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An empty home: these tests need no runs."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def served(home):
    """Its UIs, as behind a proxy that serves them under names of its own."""
    with serve(home, "--allow-host", "dagster.example.org", "--allow-host", "mlflow.example.org") as served:
        yield served


@pytest.fixture(scope="module")
def hostile():
    """Port of a server with the hostile page; below ``/null`` the page has the origin ``null``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            if self.path.startswith("/null"):
                self.send_header("Content-Security-Policy", "sandbox allow-scripts allow-forms allow-popups")
            self.end_headers()
            self.wfile.write(ATTACKS.encode())

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def partitions(served) -> list[str]:
    """Keys of the datasets that Dagster knows."""
    query = "query($r: RepositorySelector!) {repositoryOrError(repositorySelector: $r) {__typename}}"
    assert served.ask(query, r=LOCATION)["repositoryOrError"]["__typename"] == "Repository"  # it is loaded
    query = "query($k: AssetKeyInput!) {assetNodeOrError(assetKey: $k) {... on AssetNode {partitionKeys}}}"
    return served.ask(query, k={"path": ["raw_dataset"]})["assetNodeOrError"]["partitionKeys"]


def experiments(served) -> list[str]:
    """Names of the MLflow experiments, as a program asks for them."""
    body = json.dumps({"max_results": 1000}).encode()
    address = f"{served.mlflow}/api/2.0/mlflow/experiments/search"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return sorted(found["name"] for found in json.load(response)["experiments"])


ORIGINS = ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://evil.example:{}/", "http://127.0.0.1:{}/null"]


@pytest.mark.parametrize("origin", ORIGINS, ids=["same site", "another name", "another site", "null"])
def test_a_page_from_elsewhere_neither_changes_nor_reads_anything(page, served, hostile, origin):
    before = experiments(served)
    page.goto(origin.format(hostile))
    targets = {"dagster": served.dagster, "mlflow": served.mlflow, "mutation": MUTATION}
    outcome = page.evaluate("targets => attack(targets)", targets)
    assert len(outcome) >= 15
    assert {name: result for name, result in outcome.items() if result != "refused"} == {}
    assert partitions(served) == []
    assert experiments(served) == before
    framed = [frame.locator("body").inner_text().strip() for frame in page.frames if frame.name.startswith("framed")]
    assert framed == ["refused: a page from elsewhere may open this server, and not use it"] * 2


@pytest.mark.parametrize("ui", ["dagster", "mlflow"])
def test_a_name_that_was_pointed_at_this_machine_shows_nothing(page, served, ui):
    port = getattr(served, ui).rpartition(":")[2]
    response = page.goto(f"http://evil.example:{port}/")  # the browser was told that this is 127.0.0.1
    assert response.status == 403
    assert page.locator("body").inner_text().startswith("refused: this server is not 'evil.example:")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_our_own_pages_change_and_read(page, served, name):
    for ui in (served.dagster, served.mlflow):
        page.goto(ui.replace("127.0.0.1", name))
    post = "([path, body]) => fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body})"
    post += ".then(answer => answer.text())"
    experiment = json.dumps({"name": f"made by {name}"})
    assert "experiment_id" in page.evaluate(post, ["/ajax-api/2.0/mlflow/experiments/create", experiment])
    assert f"made by {name}" in experiments(served)

    page.goto(served.dagster.replace("127.0.0.1", name))
    key = name.replace(".", "-")
    query = json.dumps({"query": MUTATION.replace("KEY", key)})
    assert "AddDynamicPartitionSuccess" in page.evaluate(post, ["/graphql", query])
    assert key in partitions(served)
    socket = "new Promise(done => {const socket = new WebSocket(location.origin.replace('http', 'ws') + '/graphql',"
    socket += " 'graphql-ws'); socket.onopen = () => done('open'); socket.onerror = () => done('refused')})"
    assert page.evaluate(socket) == "open"


@pytest.mark.parametrize("ui", ["dagster", "mlflow"])
def test_from_beyond_this_machine_a_browser_needs_the_token_once(page, served, ui):
    port = getattr(served, ui).rpartition(":")[2]
    address = f"http://{ui}.example.org:{port}"  # the browser was told that this is 127.0.0.1
    refused = page.goto(f"{address}/")
    assert (refused.status, page.locator("body").inner_text().partition(";")[0]) == (
        401,
        "refused: this server asks for a token from beyond this machine",
    )
    page.goto(f"{address}/?token={served.token}")
    assert served.token not in page.url
    path = {"dagster": "/server_info", "mlflow": "/health"}[ui]
    assert page.evaluate("path => fetch(path).then(answer => answer.status)", path) == 200
    assert page.evaluate("document.cookie") == ""  # no script reads it
    assert [log.name for log in (served.home / "logs").iterdir() if served.token in log.read_text()] == []


def test_behind_a_proxy_each_ui_is_used_by_the_pages_of_its_own_name(served):
    create = f"{served.mlflow}/ajax-api/2.0/mlflow/experiments/create"
    version = f"{served.dagster}/graphql"
    dagster, mlflow, query = "dagster.example.org", "mlflow.example.org", {"query": "{version}"}
    assert post(create, {"name": "proxied"}, host=mlflow, page=mlflow, token=served.token) == 200
    assert post(version, query, host=dagster, page=dagster, token=served.token) == 200
    assert post(version, query, host=dagster, page=mlflow, token=served.token) == 403
    assert post(create, {"name": "x"}, host="other.example.org", page="other.example.org", token=served.token) == 403
    assert post(create, {"name": "x"}, host=mlflow, page=mlflow, token="other") == 401
    assert post(version, query, host=dagster, page=dagster, token="other") == 401


def post(address: str, body: dict[str, str], *, host: str, page: str, token: str) -> int:
    """Status of a POST as a proxy passes it on for a browser."""
    headers = {"Content-Type": "application/json", "Host": host, "Origin": f"https://{page}"}
    headers["Cookie"] = f"xmas_token={token}"
    try:
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
def test_a_mutation_by_get_is_refused_for_programs_too(served, accept):
    query = urllib.parse.urlencode({"query": MUTATION.replace("KEY", "by_get")})
    request = urllib.request.Request(f"{served.dagster}/graphql?{query}", headers={"Accept": accept})
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=60)
    assert refusal.value.code == 403
    assert refusal.value.read() == b"refused: a GraphQL query is sent by POST, as application/json\n"
    assert "by_get" not in partitions(served)
