"""Serve the pictures that Dagster's pages show of assets."""

import asyncio

from xmas_assets.home.home import Home
from xmas_assets.home.pictures import kept_picture
from xmas_assets.web.guard import App, Message, Receive, Send

_HEADERS = [
    (b"content-type", b"image/png"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"private, max-age=31536000, immutable"),  # its name is its content
]


class Pictures:
    """An ASGI app in front of another: answers ``/pictures/HASH.png``."""

    def __init__(self, app: App, *, home: Home) -> None:
        self._app = app
        self._home = home

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send a picture, or pass the request on."""
        is_read = scope["type"] == "http" and scope["method"] == "GET"
        path = kept_picture(self._home, scope["path"]) if is_read else None
        if path is None:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": await asyncio.to_thread(path.read_bytes)})
