"""Serve the UIs on this machine, and look what is missing on it."""

import importlib.util
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.resources.home import Home
from xmas_assets.resources.tracking import Tracking

_WORKSPACE = Path(__file__).parent / "instance" / "workspace.yaml"
_MIN_FREE_BYTES = 2 << 30


class Finding(NamedTuple):
    """One look at the machine: whether it is fine, what was seen, and what to do if not."""

    ok: bool
    seen: str
    remedy: str = ""


def serve(home: Home, *, host: str, port: int, mlflow_port: int, allow_remote: bool) -> None:
    """Run the Dagster and MLflow servers until Ctrl-C, or until one of them ends.

    Raises:
        SettingsError: If the address can be reached from elsewhere and that was not asked for, or a port is taken.
    """
    check_host(host, allow_remote=allow_remote)
    for number in (port, mlflow_port):
        _check_free(host, number)
    from xmas_assets.runs import open_instance

    open_instance(home)
    environment = os.environ | {"XMAS_HOME": str(home.path()), "MLFLOW_DISABLE_TELEMETRY": "true"}
    tracking = Tracking(home=home)
    tracking.deliver(log=print)
    commands = [
        [sys.executable, "-m", "dagster", "dev", "-w", str(_WORKSPACE), "-h", host, "-p", str(port)],
        [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(mlflow_port)]
        + ["--backend-store-uri", tracking.tracking_uri(), "--workers", "1"],
    ]
    print(f"Dagster http://{host}:{port}   MLflow http://{host}:{mlflow_port}   (Ctrl-C ends both)", flush=True)
    servers = [subprocess.Popen(command, env=environment, start_new_session=True) for command in commands]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while all(server.poll() is None for server in servers):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        for server in servers:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
        for server in servers:
            server.wait()


def check_host(host: str, *, allow_remote: bool) -> None:
    """Refuse an address that others can reach, unless asked for: neither server has a login.

    Raises:
        SettingsError: If it is not a loopback address and ``allow_remote`` is off.
    """
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not (is_local or allow_remote):
        raise SettingsError(
            f"address {host} can be reached by others, and the UIs have no login; use 127.0.0.1, or say --allow-remote "
            "and put a proxy with authentication in front"
        )


def findings(home: Home) -> Iterator[Finding]:
    """Look at this machine: Python, libraries, memory, disk, home, GPU, MLflow."""
    import psutil

    yield Finding(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}", "install Python 3.11 or newer")
    for name in ("torch", "transformers", "peft", "dagster", "mlflow", "duckdb"):
        found = importlib.util.find_spec(name) is not None
        yield Finding(
            found, f"{name} {'is' if found else 'is not'} installed", "run: make demo   (installs everything)"
        )
    root = home.path()
    free = shutil.disk_usage(root).free
    yield Finding(
        free > _MIN_FREE_BYTES, f"{free >> 30} GiB free at {root}", "free some space, or set XMAS_HOME elsewhere"
    )
    memory = psutil.virtual_memory().available
    yield Finding(memory > _MIN_FREE_BYTES, f"{memory >> 30} GiB of memory available", "close other programs")
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU (fine for the tiny profile)"
    yield Finding(True, f"{gpu}; {os.cpu_count()} CPU cores")
    tracking = Tracking(home=home)
    tracking.deliver(log=print)
    waiting = tracking.waiting()
    yield Finding(
        waiting == 0,
        f"{waiting} MLflow records wait for delivery to {tracking.tracking_uri()}",
        "look at the message above; 'xmas doctor' delivers them when the store is back",
    )


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"port {port} on {host} cannot be used ({error.strerror}); choose another port"
            ) from None
