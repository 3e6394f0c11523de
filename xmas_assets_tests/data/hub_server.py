"""A stand-in for the Hugging Face hub on this machine: one dataset repository at one commit."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "owner/pets"


@contextmanager
def hub_server(files: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve files of ``NAME`` at ``COMMIT``; gives the address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):  # noqa: N802 - the library's name
            self._answer(with_body=False)

        def do_GET(self):  # noqa: N802
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            asked.append(path)
            listed = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
            info = {"id": NAME, "sha": COMMIT, "private": False, "gated": False, "siblings": listed, "tags": []}
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in files.items()
            ]
            api = f"/api/datasets/{NAME}"
            bodies = {f"{api}/revision/{COMMIT}": json.dumps(info), f"{api}/tree/{COMMIT}": json.dumps(tree)}
            body = (
                bodies[path].encode()
                if path in bodies
                else files.get(path.removeprefix(f"/datasets/{NAME}/resolve/{COMMIT}/"))
            )
            headers = {"X-Repo-Commit": COMMIT}
            if body is None:
                headers["X-Error-Code"] = "RevisionNotFound" if path.startswith(f"{api}/") else "RepoNotFound"
            else:
                headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()}"'
            self.send_response(404 if body is None else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body or b"")))
            self.send_header("Content-Type", "application/json" if path in bodies else "application/octet-stream")
            self.end_headers()
            if with_body:
                self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
