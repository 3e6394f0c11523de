"""Ask whoever comes from beyond this machine for a token: neither Dagster nor MLflow has a login."""

import hmac
import ipaddress
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from xmas_assets.web.guard import App, Headers, Message, Receive, Send, refuse

TOKEN_VARIABLE = "XMAS_UI_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable that tells the servers their token; a command line could be seen by other users."""

_COOKIE = "xmas_token"
_PORT = re.compile(r":\d+$")
_ASKED = "this server asks for a token from beyond this machine; open the address with ?token= that 'xmas ui' printed"


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(32)


class TokenDoor:
    """An ASGI app in front of another: lets in this machine, and others with a token.

    A request is of this machine if its client is, and it calls the server by a name of this machine: what a proxy here
    passes on has another. The token comes once as ``?token=`` and is kept as a cookie; programs send it as a bearer's.
    """

    def __init__(self, app: App, *, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, take a token, or refuse with 401."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope["headers"])
        if _is_of_this_machine(scope, headers) or self._has_token(headers):
            await self._app(scope, receive, send)
        elif scope.get("method") == "GET" and self._is_token(_of_query(scope)):
            await self._keep(send)
        else:
            await refuse(scope, send, _ASKED, status=401)

    def _has_token(self, headers: Headers) -> bool:
        kind, _, given = headers.whole("authorization").partition(" ")
        return self._is_token(_of_cookie(headers)) or (kind.lower() == "bearer" and self._is_token(given))

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token)

    async def _keep(self, send: Send) -> None:
        """Have the browser keep the token, and show it in no address."""
        cookie = f"{_COOKIE}={self._token.decode()}; Path=/; HttpOnly; SameSite=Lax".encode()
        headers = [(b"location", b"/"), (b"set-cookie", cookie), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _is_of_this_machine(scope: Message, headers: Headers) -> bool:
    client, _ = scope.get("client") or ("", 0)
    name = _PORT.sub("", headers.get("host"))
    return _is_loopback(client) and (name == "localhost" or _is_loopback(name.strip("[]")))


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _of_query(scope: Message) -> str:
    return parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]


def _of_cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.whole("cookie")).get(_COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
