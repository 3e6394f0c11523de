"""An S3 server on loopback, and a door in front of it that misbehaves as networks do."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import boto3
from moto.server import ThreadedMotoServer

ACCESS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_REGION": "us-east-1"}
BUCKET = "bucket"


@contextmanager
def s3_server() -> Iterator[str]:
    """Address of a server with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client_of(address).create_bucket(Bucket=BUCKET)
    try:
        yield address
    finally:
        server.stop()


def client_of(address: str):
    """A client of another make than ours."""
    return boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="word"
    )


class Door(ThreadingHTTPServer):
    """Hands requests on, except for those that it is set to spoil.

    Attributes:
        throttled: Answers "SlowDown" to so many more requests.
        cut_puts: Closes the connection in the middle of so many more bodies, before the server has them.
        lost_answers: Hands so many more puts on, and loses what is answered.
    """

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(behind)
        self.throttled = self.cut_puts = self.lost_answers = 0
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def _hand_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        door = self.server
        door.requests.append(f"{self.command} {self.path}")
        if self.command == "PUT" and door.cut_puts:
            door.cut_puts -= 1
            self.rfile.read(length // 2)
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if door.throttled:
            door.throttled -= 1
            self._answer(
                503, [], b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            )
            return
        behind = http.client.HTTPConnection(str(door.behind.hostname), door.behind.port)
        behind.request(self.command, self.path, body, dict(self.headers))
        answer = behind.getresponse()
        content = answer.read()
        if self.command == "PUT" and door.lost_answers:
            door.lost_answers -= 1
            self.close_connection = True
            return
        self._answer(answer.status, answer.getheaders(), content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length", str(len(content)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _hand_on  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def door_to(address: str) -> Iterator[Door]:
    """A door in front of a server."""
    door = Door(address)
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    try:
        yield door
    finally:
        door.shutdown()
        door.server_close()
