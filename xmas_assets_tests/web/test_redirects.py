"""Links from one UI to the other, as they are kept without a port."""

import asyncio

import pytest

from xmas_assets.contracts.links import dagster_asset, dagster_run, mlflow_run
from xmas_assets.home.addresses import Addresses
from xmas_assets.home.home import Home
from xmas_assets.web.redirects import Redirects


async def _app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})


def answer(home: Home, link: str, *, host: str = "127.0.0.1:3000", method: str = "GET") -> tuple[int, str]:
    """Status and location of what a server says to a link."""
    path, _, query = link.partition("?")
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": []}
    scope["headers"] = [(b"host", host.encode())]
    asyncio.run(Redirects(_app, home=home)(scope, None, send))  # pyright: ignore[reportArgumentType]
    return sent[0]["status"], dict(sent[0]["headers"]).get(b"location", b"").decode()


@pytest.fixture
def home(tmp_path):
    return Home.open(tmp_path)


def test_a_link_leads_to_the_port_of_the_last_start(home):
    for dagster, mlflow in ((3000, 5000), (3131, 5151)):
        Addresses(f"http://127.0.0.1:{dagster}", f"http://127.0.0.1:{mlflow}").save(home)
        run = f"http://127.0.0.1:{mlflow}/#/experiments/1/runs/ab?workflowType=machine_learning"
        assert answer(home, mlflow_run("1", "ab")) == (307, run)
        assert answer(home, dagster_run("cd")) == (307, f"http://127.0.0.1:{dagster}/runs/cd")
        page = f"http://127.0.0.1:{dagster}/assets/target_model?view=partitions&partition=pets%7Cxmas_b0.20_s0"
        assert answer(home, dagster_asset("target_model", "pets|xmas_b0.20_s0")) == (307, page)


def test_a_link_keeps_the_name_under_which_the_browser_calls_the_machine(home):
    Addresses("http://0.0.0.0:3131", "http://0.0.0.0:5151").save(home)
    assert answer(home, dagster_run("cd"), host="box.example.org:5151")[1] == "http://box.example.org:3131/runs/cd"
    assert answer(home, dagster_run("cd"), host="[::1]:5151")[1] == "http://[::1]:3131/runs/cd"
    assert answer(home, dagster_run("cd"), host="dagster.example.org")[1] == "http://0.0.0.0:3131/runs/cd"


@pytest.mark.parametrize(
    "route", ["/evil.example/", "@evil.example/", "\\evil.example", "\r\nX: y", "..//evil.example"]
)
def test_no_link_leads_anywhere_else(home, route):
    Addresses("http://127.0.0.1:3131", "http://127.0.0.1:5151").save(home)
    for prefix, there in (("/to-dagster/", "http://127.0.0.1:3131/"), ("/to-mlflow/", "http://127.0.0.1:5151/#/")):
        status, location = answer(home, prefix + route)
        assert status == 307
        assert location.startswith(there)
        assert not set(location) & set("\r\n\\ ")


def test_what_is_no_link_reaches_the_server_and_one_that_leads_nowhere_says_so(home):
    assert answer(home, "/runs/cd") == (200, "")
    assert answer(home, dagster_run("cd"), method="POST") == (200, "")
    assert answer(home, dagster_run("cd")) == (404, "")
