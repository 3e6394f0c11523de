"""Dagster's web server behind the guard: ``python -m xmas_assets.web.dagster_server``.

``dagster dev`` and ``dagster-webserver`` have no place for a guard, so this is what they do, with ours in between.
"""

import argparse
import os
from collections.abc import Sequence

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context

from xmas_assets.home.home import Home
from xmas_assets.web.guard import Guard
from xmas_assets.web.pictures import Pictures
from xmas_assets.web.redirects import Redirects
from xmas_assets.web.token_door import TOKEN_VARIABLE, TokenDoor

_POLL_MS = 2000
"""How often the UI asks for news of assets; what ``dagster dev`` sets."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the UI of the instance in ``DAGSTER_HOME`` until a stop signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", required=True, help="a workspace.yaml")
    parser.add_argument("--host", required=True, help="address to listen on")
    parser.add_argument("--port", required=True, type=int, help="port to listen on")
    parser.add_argument("--allowed-hosts", required=True, help="values of the Host header, with commas between them")
    given = parser.parse_args(arguments)
    target = WorkspaceFileTarget([given.workspace])
    home = Home.locate()
    with DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as context:
        app = create_app_from_workspace_process_context(context, live_data_poll_rate=_POLL_MS)
        door = TokenDoor(Redirects(Pictures(app, home=home), home=home), token=os.environ[TOKEN_VARIABLE])
        guarded = Guard(door, hosts=given.allowed_hosts.split(","))
        uvicorn.run(guarded, host=given.host, port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
