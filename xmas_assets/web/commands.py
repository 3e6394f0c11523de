"""How the servers of ``xmas ui`` are started."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.web.guard import own_hosts

STORE_VARIABLE = "MLFLOW_BACKEND_STORE_URI"
"""Environment variable that tells MLflow's server its store; a command line could be seen by other users."""

_WORKSPACE = Path(__file__).parents[1] / "instance" / "workspace.yaml"


def server_commands(
    host: str, *, port: int, mlflow_port: int, allowed_hosts: Sequence[str], has_mlflow: bool = True
) -> dict[str, list[str]]:
    """The arguments of ``python -m`` for each server, by its name.

    Args:
        host: Address to listen on.
        port: Port of the Dagster UI.
        mlflow_port: Port of the MLflow UI.
        allowed_hosts: Names under which a browser may reach the UIs, next to those of this machine.
        has_mlflow: Whether MLflow is to be served too; its store is in ``STORE_VARIABLE``.

    Raises:
        SettingsError: If an allowed host is not a host, or the extra [ui] is not installed.
    """
    if find_spec("dagster_webserver") is None:
        raise SettingsError("the UI is not installed; run: pip install 'xmas-assets[ui]'")
    hosts = own_hosts(host, port, allowed=allowed_hosts)
    mlflow_hosts = own_hosts(host, mlflow_port, allowed=allowed_hosts)
    mlflow_origins = [f"{scheme}://{name}" for name in mlflow_hosts for scheme in ("http", "https")]
    commands = {
        "Dagster": ["xmas_assets.web.dagster_server", "--workspace", str(_WORKSPACE)]
        + ["--host", host, "--port", str(port), "--allowed-hosts", ",".join(hosts)],
        "Dagster-daemon": ["dagster._daemon", "run", "--workspace", str(_WORKSPACE)],
    }
    if has_mlflow:
        commands["MLflow"] = [
            *("mlflow", "server", "--host", host, "--port", str(mlflow_port), "--workers", "1"),
            # Its log would hold the token of an address.
            *("--uvicorn-opts=--no-access-log", "--app-name", "xmas-guarded"),
            *("--allowed-hosts", ",".join(mlflow_hosts), "--cors-allowed-origins", ",".join(mlflow_origins)),
        ]
    return commands
