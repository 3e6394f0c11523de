"""Let a web server's own pages use it, and programs; refuse what a page from elsewhere makes a browser send.

Neither Dagster nor MLflow has a login, so a browser on this machine is all that a hostile page needs. The rules rest on
headers that a page cannot set: ``Host``, ``Origin`` and ``Sec-Fetch-*``.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any

from xmas_assets.contracts.errors import SettingsError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[0-9]{1,5})?")
_SCHEMES = ("http://", "https://")
_READING = {"GET", "HEAD", "OPTIONS"}
# What a page may send anywhere without asking first (https://fetch.spec.whatwg.org/#cors-safelisted-request-header).
_UNASKED_TYPES = {"", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"}
_HEADERS = [
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


def own_hosts(host: str, port: int, *, allowed: Iterable[str] = ()) -> list[str]:
    """The values of the ``Host`` header under which a server is itself, sorted.

    Args:
        host: Address that it listens on.
        port: Port that it listens on; browsers leave out 80.
        allowed: Further names, as ``NAME`` (with that port, or with none as behind a proxy) or ``NAME:PORT``.

    Raises:
        SettingsError: If an allowed name is not one.
    """
    names = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host.lower()}
    found = {name if port == 80 else f"{name}:{port}" for name in names}
    for name in map(str.lower, allowed):
        match = _HOST.fullmatch(name)
        if match is None:
            raise SettingsError(
                f"--allow-host {name!r} is not a host; write a name such as dagster.example.org, or NAME:PORT"
            )
        found |= {name} if match[3] else {name, f"{name}:{port}"}
    return sorted(found)


class Guard:
    """An ASGI app in front of another: answers 403 with one line to what the other must not see."""

    def __init__(self, app: App, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on and forbid other pages to frame or embed what it returns."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
        elif why := self._refusal(scope):
            await refuse(scope, send, why)
        else:

            async def send_with_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", []), *_HEADERS]
                await send(message)

            await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Message) -> str:
        """Why a request is refused, in one line; empty if it is not."""
        method = scope.get("method", "GET")
        headers = Headers(scope["headers"])
        host, origin = headers.get("host"), headers.get("origin")
        if host not in self._hosts:
            return f"this server is not {host!r}; open it under its own address, or start 'xmas ui' with --allow-host"
        if origin and origin not in {scheme + host for scheme in _SCHEMES}:
            return f"a page of {origin!r} may not use this server"
        if headers.get("sec-fetch-site") not in {"", "none", "same-origin"} and not _opens_a_page(method, headers):
            return "a page from elsewhere may open this server, and not use it"
        if method == "POST" and not origin and headers.get("content-type").partition(";")[0].strip() in _UNASKED_TYPES:
            return "a POST needs the header 'Content-Type: application/json'"
        if method in _READING and scope["path"].rstrip("/") == "/graphql" and scope["query_string"]:
            return "a GraphQL query is sent by POST, as application/json"
        return ""


class Headers:
    """Request headers as text; a header that occurs twice is both, joined by a comma."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in raw:
            self._values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def get(self, name: str) -> str:
        """The value of a header in lower case; empty if it is missing."""
        return self.whole(name).lower()

    def whole(self, name: str) -> str:
        """The value of a header as it was sent; empty if it is missing."""
        return ", ".join(self._values.get(name, []))


def _opens_a_page(method: str, headers: Headers) -> bool:
    """Whether a link was followed, into a tab and not into a frame."""
    return (
        method == "GET" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )


async def refuse(scope: Message, send: Send, why: str, *, status: int = 403) -> None:
    """Answer a request with one line, or close a websocket before it is accepted."""
    if scope["type"] == "websocket":  # before it is accepted: the server answers 403
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"refused: {why}\n".encode()})
