"""This machine needs no token; whoever comes from beyond it does, on every path and for websockets."""

import asyncio

import pytest

from xmas_assets.web.token_door import TokenDoor, new_token

TOKEN = "t0ken-_A"
HERE, AWAY = ("127.0.0.1", 40_000), ("192.0.2.7", 40_000)


def answer(*, client=AWAY, host="192.0.2.1:3000", method="GET", path="/", query="", kind="http", **headers):
    """Status and headers of what an app behind the door answers; the app itself says 200, or accepts the websocket."""
    sent = []

    async def app(scope, receive, send):
        start = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start if kind == "http" else {"type": "websocket.accept"})

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("the door reads no body")

    raw = [(name.encode(), value.encode()) for name, value in ({"host": host} | headers).items()]
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": raw, "client": client}
    asyncio.run(TokenDoor(app, token=TOKEN)(scope | ({"method": method} if kind == "http" else {}), receive, send))
    if kind == "websocket":
        return {"websocket.accept": 200, "websocket.close": 401}[sent[0]["type"]], {}
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize("client", ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "[::1]:3000", "localhost", "[::1]", "127.0.0.5"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_this_machine_under_a_name_of_its_own_needs_no_token(client, host, kind):
    assert answer(client=(client, 1), host=host, kind=kind)[0] == 200


BEYOND = {
    "another machine": {"client": AWAY},
    "another machine that says it is this one": {"client": AWAY, "host": "127.0.0.1:3000"},
    "another machine over IPv6": {"client": ("2001:db8::7", 1), "host": "[2001:db8::1]:3000"},
    "a proxy on this machine": {"client": HERE, "host": "dagster.example.org"},
    "a name that begins like this machine": {"client": HERE, "host": "localhost.example.org:3000"},
    "nobody knows who": {"client": None, "host": "127.0.0.1:3000"},
    "a name that is none": {"client": HERE, "host": ""},
}


@pytest.mark.parametrize("who", BEYOND)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/graphql", "/server_info", "/ajax-api/2.0/mlflow/experiments/create"])
def test_whoever_comes_from_beyond_this_machine_is_asked_for_the_token(who, method, path):
    from_there = BEYOND[who] | {"method": method, "path": path}
    assert answer(**from_there)[0] == 401
    assert answer(**from_there, cookie="xmas_token=other")[0] == 401
    assert answer(**from_there, authorization="Bearer other")[0] == 401
    assert answer(**from_there, cookie=f"a=b; xmas_token={TOKEN}")[0] == 200
    assert answer(**from_there, authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize("who", BEYOND)
def test_a_websocket_from_beyond_this_machine_needs_the_token(who):
    assert answer(**BEYOND[who], kind="websocket")[0] == 401
    assert answer(**BEYOND[who], kind="websocket", query=f"token={TOKEN}")[0] == 401
    assert answer(**BEYOND[who], kind="websocket", cookie=f"xmas_token={TOKEN}")[0] == 200


def test_an_address_with_the_token_leaves_it_with_the_browser_and_shows_it_no_more():
    status, headers = answer(path="//evil.example", query=f"a=1&token={TOKEN}")
    assert (status, headers[b"location"]) == (303, b"/")
    assert headers[b"set-cookie"] == f"xmas_token={TOKEN}; Path=/; HttpOnly; SameSite=Lax".encode()
    assert answer(query="token=other")[0] == 401
    assert answer(query="token=")[0] == 401
    assert answer(query=f"token={TOKEN}", method="POST")[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"cookie": "xmas_token"},
        {"cookie": "xmas_token="},
        {"cookie": "=;;\x00"},
        {"cookie": "xmas_token=\xe9"},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN.lower()}"},
    ],
)
def test_what_is_no_token_is_refused(headers):
    assert answer(**headers)[0] == 401


def test_two_tokens_differ_and_are_long():
    assert len({new_token() for _ in range(10)}) == 10
    assert min(len(new_token()) for _ in range(10)) >= 43
