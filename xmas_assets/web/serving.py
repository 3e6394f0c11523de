"""Run the servers of ``xmas ui`` on this machine, until they are stopped."""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from xmas_assets.contracts.errors import SettingsError, XmasError
from xmas_assets.home.addresses import Addresses
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import open_instance
from xmas_assets.orchestration.process_claims import cancel_runs_of_ended_servers, runs_of_living_servers
from xmas_assets.resources.tracking import Tracking
from xmas_assets.scale.child_processes import STOP_SIGNALS
from xmas_assets.web.commands import STORE_VARIABLE, server_commands
from xmas_assets.web.token_door import TOKEN_VARIABLE, new_token

_GRACE_SECONDS = 20.0
_MOST_LINES = 5  # of datasets, under the two addresses


class ServerEndedError(XmasError):
    """A UI server that ended by itself; the message names its log."""


def serve(
    home: Home, *, host: str, port: int, mlflow_port: int, allow_remote: bool, allowed_hosts: Sequence[str] = ()
) -> None:
    """Run the Dagster and MLflow servers until Ctrl-C (or SIGTERM, SIGHUP); none of their processes stays behind.

    Raises:
        SettingsError: If the address can be reached from elsewhere and that was not asked for, a port is taken, or an
            allowed host is not a host.
        ServerEndedError: If one of the servers ends by itself.
    """
    check_host(host, allow_remote=allow_remote)
    if port == mlflow_port:
        raise SettingsError(f"port {port} was given to both UIs; choose another --port or --mlflow-port")
    for number in (port, mlflow_port):
        _check_free(host, number)
    tracking = Tracking(home=home)
    store = tracking.store()
    commands = server_commands(
        host, port=port, mlflow_port=mlflow_port, allowed_hosts=allowed_hosts, has_mlflow=not store.is_server
    )
    instance = open_instance(home)
    tracking.deliver(log=print)
    runs = tracking.prepare()
    shown = f"[{host}]" if ":" in host else host
    own = f"http://{shown}:{mlflow_port}"
    addresses = Addresses(f"http://{shown}:{port}", store.page if store.is_server else own)
    addresses.save(home)
    token = new_token()
    if allow_remote or allowed_hosts:
        print(f"from beyond this machine, write ?token={token} behind an address, once in each browser", flush=True)
    with _stoppable():
        servers: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name, command in commands.items():
                servers[name] = _start(name, command, home, token=token, store=store.uri)
            _watch(servers, addresses, home, token=token, runs=runs)
        except KeyboardInterrupt:
            print("stopping", flush=True)
        finally:
            own_runs: set[str] = set()
            with suppress(Exception):  # the database may be away, and the servers must end all the same
                own_runs = runs_of_living_servers(instance)
            _end(list(servers.values()))
            cancel_runs_of_ended_servers(instance, own_runs)


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
            "and give others the token that is printed"
        )


def _check_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"port {port} on {host} cannot be used ({error.strerror}); choose another with --port or --mlflow-port"
            ) from None


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let each stop signal interrupt the block, also where SIGINT was ignored because a script started us.

    It takes the place of ``stoppable``, whose seconds are too few for servers to end.
    """
    before = {number: signal.signal(number, signal.default_int_handler) for number in STOP_SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    listener = signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        signal.set_wakeup_fd(listener)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(name: str, command: Sequence[str], home: Home, *, token: str, store: str) -> subprocess.Popen[bytes]:
    # MLflow's job workers serve LLM evaluation only, and are seven processes.
    settings = {
        "XMAS_HOME": str(home.path()),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        TOKEN_VARIABLE: token,
        STORE_VARIABLE: store,
    }
    with _log_path(name, home).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _log_path(name: str, home: Home) -> Path:
    return home.path("logs") / f"{name.lower()}.log"


def _watch(
    servers: dict[str, subprocess.Popen[bytes]],
    addresses: Addresses,
    home: Home,
    *,
    token: str,
    runs: Mapping[str, str],
) -> None:
    """Say when both answer, then wait until one ends."""
    started = time.monotonic()
    pages = [f"{addresses.dagster}/server_info"] + [f"{addresses.mlflow}/health"] * ("MLflow" in servers)
    print(f"starting; logs in {home.path('logs')}", flush=True)
    ready = False
    while True:
        for name, server in servers.items():
            if server.poll() is not None:
                raise ServerEndedError(f"{name} ended with code {server.returncode}; see {_log_path(name, home)}")
        if not ready and all(_answers(page, token) for page in pages):
            ready = True
            print(f"Dagster  {addresses.dagster}\nMLflow   {addresses.mlflow_page('experiments')}")
            for dataset, route in list(runs.items())[:_MOST_LINES]:
                print(f"  runs of {dataset} by score  {addresses.mlflow_page(route)}")
            print(f"ready after {time.monotonic() - started:.0f} s; Ctrl-C ends both", flush=True)
        time.sleep(0.5)


def _answers(address: str, token: str) -> bool:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=2):  # noqa: S310
            return True
    except (urllib.error.URLError, OSError):
        return False


def _end(servers: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the servers and all that they started, also runs in progress; politely first, then by force."""
    import psutil

    for number in STOP_SIGNALS:  # a second Ctrl-C must not leave processes behind
        signal.signal(number, signal.SIG_IGN)
    family = psutil.Process().children(recursive=True)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for server in servers:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, number)
        _, alive = psutil.wait_procs(family, timeout=_GRACE_SECONDS)
        if not alive:
            return
