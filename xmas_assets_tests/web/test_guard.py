"""The guard lets its own pages and programs through, and refuses what a browser sends for a page from elsewhere."""

import asyncio

import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.web.guard import Guard, own_hosts

OWN = "127.0.0.1:3000"
HOSTS = own_hosts("127.0.0.1", 3000)
JSON = {"content-type": "application/json"}
TAB = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def answer(method="GET", path="/", query="", *, kind="http", hosts=HOSTS, headers=None, host=OWN):
    """Status and headers of what a guarded app answers; the app itself says 200, or accepts the websocket."""
    sent = []

    async def app(scope, receive, send):
        if kind == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": b"hello"})

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("the guard reads no body")

    pairs = [("host", host)] if host is not None else []
    pairs += headers.items() if isinstance(headers, dict) else (headers or [])
    raw = [(name.encode(), value.encode()) for name, value in pairs]
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": raw}
    asyncio.run(Guard(app, hosts=hosts)(scope | ({"method": method} if kind == "http" else {}), receive, send))
    if kind == "websocket":
        return {"websocket.accept": 200, "websocket.close": 403}[sent[0]["type"]], {}
    return sent[0]["status"], dict(sent[0]["headers"])


def status(*args, **kwargs):
    return answer(*args, **kwargs)[0]


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "[::1]:3000", "LOCALHOST:3000"])
def test_each_own_name_is_served_and_its_pages_may_change_things(host):
    assert status(host=host) == 200
    own = JSON | {"origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    assert status("POST", "/graphql", host=host, headers=own) == 200
    assert status(kind="websocket", path="/graphql", host=host, headers={"origin": f"http://{host}"}) == 200


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "evil.example:3000", "127.0.0.1", "127.0.0.1:3001", "127.0.0.1:3000.evil.example"]
    + ["localhost:30000", "127.0.0.1:3000@evil.example", "10.0.0.1:3000"],
)
def test_a_name_that_is_not_ours_is_refused_whatever_is_asked(host):
    assert status(host=host) == 403
    assert status("POST", "/graphql", host=host, headers=JSON) == 403
    assert status(host=host, headers=TAB | {"sec-fetch-site": "none"}) == 403
    assert status(kind="websocket", path="/graphql", host=host, headers={"origin": f"http://{host}"}) == 403


def test_two_hosts_in_one_request_are_refused():
    assert status(headers=[("host", OWN)]) == 403
    assert status(host=OWN, headers=[("host", "evil.example")]) == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:8888", "http://localhost:3000", "file://"]
    + ["http://127.0.0.1:3000.evil.example", "http://evil.example/http://127.0.0.1:3000", "ftp://127.0.0.1:3000"],
)
def test_another_origin_is_refused_for_every_method(method, origin):
    assert status(method, "/graphql", headers=JSON | {"origin": origin}) == 403
    assert status(method, "/", headers=JSON | TAB | {"origin": origin, "sec-fetch-site": "none"}) == 403


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:8888", "http://localhost:3000"])
def test_a_websocket_of_another_origin_is_refused(origin):
    assert status(kind="websocket", path="/graphql", headers={"origin": origin}) == 403


def test_a_websocket_of_a_program_is_accepted():
    assert status(kind="websocket", path="/graphql") == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unheard-of"])
@pytest.mark.parametrize("dest", ["image", "script", "iframe", "frame", "object", "embed", "empty", "style", ""])
def test_nothing_of_ours_is_part_of_a_page_from_elsewhere(site, dest):
    fetch = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": dest}
    assert status(headers=fetch) == 403
    assert status(headers=fetch | {"sec-fetch-mode": "navigate"}) == 403
    assert status("POST", headers=JSON | fetch) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_from_elsewhere_opens_a_page_and_can_do_no_more(site):
    assert status(path="/runs", headers=TAB | {"sec-fetch-site": site}) == 200
    assert status("POST", "/runs", headers=JSON | TAB | {"sec-fetch-site": site}) == 403
    assert status(path="/graphql", query="query=mutation", headers=TAB | {"sec-fetch-site": site}) == 403


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("headers", [{}, {"origin": f"http://{OWN}", "accept": "text/html"}, JSON])
def test_a_query_by_get_is_refused_for_everybody(path, method, headers):
    assert status(method, path, "query={x}", headers=headers) == 403


def test_the_query_page_opens_and_a_page_that_is_named_like_it_keeps_its_parameters():
    assert status(path="/graphql") == 200
    assert status(path="/assets/graphql", query="view=partitions") == 200


@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/x", "/api/2.0/mlflow/experiments/create"])
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/plain; charset=utf-8",
        "TEXT/PLAIN",
        "text/plain;application/json",
        "multipart/form-data",
    ]
    + ["application/x-www-form-urlencoded", " text/plain ; a=application/json", "multipart/form-data; boundary=x"],
)
def test_a_post_that_needs_no_preflight_is_refused_without_our_origin(path, content_type):
    headers = {} if content_type is None else {"content-type": content_type}
    assert status("POST", path, headers=headers) == 403
    assert status("POST", path, headers=headers | {"origin": f"http://{OWN}"}) == 200


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_program_without_an_origin_may_post_json(content_type):
    assert status("POST", "/graphql", headers={"content-type": content_type}) == 200
    assert status("PUT", "/api/2.0/mlflow-artifacts/artifacts/x") == 200


def test_other_pages_may_not_frame_or_embed_what_is_served():
    _, headers = answer()
    assert headers == {
        b"content-type": b"text/html",
        b"x-frame-options": b"SAMEORIGIN",
        b"content-security-policy": b"frame-ancestors 'self'",
        b"cross-origin-resource-policy": b"same-origin",
    }


def test_what_is_neither_a_request_nor_a_websocket_reaches_the_app():
    reached = []

    async def app(scope, receive, send):
        reached.append(scope["type"])

    asyncio.run(Guard(app, hosts=HOSTS)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert reached == ["lifespan"]


@pytest.mark.parametrize(
    ("host", "port", "allowed", "expected"),
    [
        ("127.0.0.1", 3000, [], ["127.0.0.1:3000", "[::1]:3000", "localhost:3000"]),
        ("127.0.0.5", 3000, [], ["127.0.0.1:3000", "127.0.0.5:3000", "[::1]:3000", "localhost:3000"]),
        ("::", 3000, [], ["127.0.0.1:3000", "[::1]:3000", "[::]:3000", "localhost:3000"]),
        ("127.0.0.1", 80, [], ["127.0.0.1", "[::1]", "localhost"]),
        ("localhost", 80, ["D.example.org:8443"], ["127.0.0.1", "[::1]", "d.example.org:8443", "localhost"]),
        ("localhost", 80, ["d.example.org"], ["127.0.0.1", "[::1]", "d.example.org", "d.example.org:80", "localhost"]),
    ],
)
def test_the_own_names_are_those_of_this_machine_and_the_allowed_ones(host, port, allowed, expected):
    assert own_hosts(host, port, allowed=allowed) == expected


def test_an_allowed_name_works_with_https_and_only_for_its_own_pages():
    hosts = own_hosts("127.0.0.1", 3000, allowed=["dagster.example.org", "mlflow.example.org"])
    behind = {"hosts": hosts, "host": "dagster.example.org"}
    assert status("POST", "/graphql", headers=JSON | {"origin": "https://dagster.example.org"}, **behind) == 200
    assert status("POST", "/graphql", headers=JSON | {"origin": "https://mlflow.example.org"}, **behind) == 403


@pytest.mark.parametrize(
    "name",
    ["", "*", "*.example.org", "http://example.org", "a,b", "a b", "example.org/", "-a", "a:", "::1", "a:b", "a\n"],
)
def test_an_allowed_host_that_is_none_is_refused_in_one_line(name):
    with pytest.raises(SettingsError, match=r"--allow-host .* is not a host; write a name such as") as refusal:
        own_hosts("127.0.0.1", 3000, allowed=[name])
    assert "\n" not in str(refusal.value)
