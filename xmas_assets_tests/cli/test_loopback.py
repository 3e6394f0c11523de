"""A proxy that the environment names stands between this machine and others only."""

import http.server
import os
import subprocess
import sys
import threading

import pytest

ASKS = """
import sys, urllib.request
sys.argv = ["xmas", "--version"]
from xmas_assets.cli.app import main
try:
    main()
except SystemExit:
    pass
print(urllib.request.urlopen(f"http://{sys.stdin.read()}", timeout=10).status)
"""


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served.server_port
        served.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("known", [None, "intern.example, 10.0.0.1"])
def test_a_loopback_address_is_reached_directly(server, host, known):
    proxy = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://192.0.2.1:9")
    exceptions = {} if known is None else {"no_proxy": known}
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        input=f"{host}:{server}",
        env={name: value for name, value in os.environ.items() if name != "NO_PROXY"} | proxy | exceptions,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "200", done.stderr[-500:]


def test_what_was_exempt_from_the_proxy_stays_so(monkeypatch):
    from xmas_assets.cli.loopback import bypass_proxies

    monkeypatch.setenv("no_proxy", "intern.example, 10.0.0.1")
    monkeypatch.setenv("NO_PROXY", "other.example")
    bypass_proxies()
    assert os.environ["no_proxy"] == "intern.example,10.0.0.1,other.example,localhost,127.0.0.1,::1"
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"]
