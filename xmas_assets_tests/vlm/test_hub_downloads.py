"""Downloads from the hub, from a server of our own that speaks its protocol: refused, cut off, damaged in the cache."""

import hashlib
import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.files.model_content import model_digest
from xmas_assets.vlm.model_files import resolve_base
from xmas_assets_tests.toy.untrained import build_untrained

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SETTINGS = BaseModelSettings(source="owner/name", revision=COMMIT)


class Hub(BaseHTTPRequestHandler):
    """Serves the files of one directory as revision ``COMMIT`` of ``owner/name``."""

    directory: Path
    refusal: tuple[int, str] | None = None

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        headers, body = {"X-Repo-Commit": COMMIT}, b""
        if self.refusal is not None:
            code, headers["X-Error-Code"] = self.refusal
        elif self.path.startswith("/api/models/owner/name/tree"):
            code, body = 200, json.dumps([_entry(path) for path in sorted(self.directory.iterdir())]).encode()
        elif self.path.startswith("/api/models/"):
            names = sorted(path.name for path in self.directory.iterdir())
            about = {"id": "owner/name", "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            code, body = 200, json.dumps(about).encode()
        else:
            path = self.directory / Path(self.path).name
            code, body, entry = 200, path.read_bytes(), _entry(path)
            headers["ETag"] = f'"{entry["oid"]}"'
            if "lfs" in entry:
                headers |= {"X-Linked-Etag": f'"{entry["lfs"]["oid"]}"', "X-Linked-Size": str(len(body))}
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the class gives
        """Say nothing."""


def _entry(path: Path) -> dict[str, Any]:
    """What the hub lists of a file: git's hash of a small one, and SHA-256 of weights."""
    content = path.read_bytes()
    name = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    entry = {"type": "file", "path": path.name, "size": len(content), "oid": name}
    if path.suffix == ".safetensors":
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return build_untrained(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def hub(whole, tmp_path, monkeypatch) -> Iterator[type[Hub]]:
    handler = type("OurHub", (Hub,), {"directory": whole})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield handler
    server.shutdown()
    server.server_close()


@contextmanager
def files_up_to(n_bytes: int) -> Iterator[None]:
    """Let writing fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def refused() -> str:
    with pytest.raises(ModelError) as refusal:
        resolve_base(SETTINGS)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("answer", [(401, "RepoNotFound"), (403, "GatedRepo"), (404, "RepoNotFound")])
def test_a_gated_or_missing_model_is_refused_in_one_line(hub, answer):
    hub.refusal = answer
    assert refused().startswith("hub model 'owner/name' is missing or gated; check its name, or log in: ")


def test_a_disk_that_is_full_while_a_model_is_downloaded_is_one_line_and_the_next_download_is_whole(hub, whole):
    with files_up_to(20_000):
        message = refused()
    assert "cannot be fetched" in message and "File too large" in message
    assert model_digest(resolve_base(SETTINGS)) == model_digest(whole)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("is_offline", [False, True])
def test_a_file_of_the_cache_that_is_not_what_its_name_says_is_refused(hub, whole, name, is_offline):
    blob = (resolve_base(SETTINGS) / name).resolve()
    content = blob.read_bytes()
    blob.write_bytes(content[:-9] + b" " + content[-8:])
    if is_offline:
        hub.refusal = (503, "")
    assert refused() == f"{name} of hub model 'owner/name' is damaged in the local cache; delete {blob}, run again"
    blob.unlink()
    hub.refusal = None
    assert model_digest(resolve_base(SETTINGS)) == model_digest(whole)
