"""Lead from one UI to the other, on whatever port: links that are kept say ``/to-mlflow/...``, and no address."""

from urllib.parse import quote

from xmas_assets.contracts.links import TO_DAGSTER, TO_MLFLOW
from xmas_assets.home.addresses import Addresses
from xmas_assets.home.home import Home
from xmas_assets.web.guard import App, Headers, Message, Receive, Send, refuse

_NEVER_SERVED = "where the other UI answers is not known; start both with 'xmas ui'"


class Redirects:
    """An ASGI app in front of another: answers ``/to-mlflow/...`` and ``/to-dagster/...`` with where that is now."""

    def __init__(self, app: App, *, home: Home) -> None:
        self._app = app
        self._home = home

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Redirect, or pass the request on."""
        is_link = scope["type"] == "http" and scope["path"].startswith((TO_DAGSTER, TO_MLFLOW))
        if not is_link or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        addresses = Addresses.read(self._home)
        if addresses is None:
            await refuse(scope, send, _NEVER_SERVED, status=404)
            return
        location = _location(scope, addresses.seen_as(Headers(scope["headers"]).get("host")))
        headers = [
            (b"location", location.encode()),
            (b"cache-control", b"no-store"),
        ]  # the port may be another next time
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _location(scope: Message, addresses: Addresses) -> str:
    """The address that a link leads to; whatever it says, it is one of the two servers."""
    path, query = scope["path"], scope["query_string"].decode("latin-1")
    prefix = next(prefix for prefix in (TO_DAGSTER, TO_MLFLOW) if path.startswith(prefix))
    route = quote(path.removeprefix(prefix).lstrip("/"), safe="/:@,;=")
    if query:
        route += f"?{quote(query, safe='%=&+/:@,;')}"
    return addresses.mlflow_page(route) if prefix == TO_MLFLOW else f"{addresses.dagster}/{route}"
