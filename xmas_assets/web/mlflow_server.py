"""MLflow's web server behind the guard, as a plugin: ``mlflow server --app-name xmas-guarded`` (see pyproject.toml).

MLflow's own options do not suffice: they let every page of this machine, on any port, read and write.
"""

import os

from xmas_assets.home.home import Home
from xmas_assets.web.guard import App, Guard
from xmas_assets.web.redirects import Redirects
from xmas_assets.web.token_door import TOKEN_VARIABLE, TokenDoor


def guarded() -> App:
    """MLflow's app behind the guard, for the hosts of its own option ``--allowed-hosts``."""
    from mlflow.environment_variables import MLFLOW_SERVER_ALLOWED_HOSTS
    from mlflow.server.fastapi_app import app

    door = TokenDoor(Redirects(app, home=Home.locate()), token=os.environ[TOKEN_VARIABLE])
    return Guard(door, hosts=os.environ[MLFLOW_SERVER_ALLOWED_HOSTS.name].split(","))
