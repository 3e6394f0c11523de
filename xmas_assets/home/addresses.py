"""Where this home's UIs answer, so that Dagster and MLflow can link to each other whatever port they were given."""

import json
from typing import NamedTuple

from xmas_assets.home.home import Home


class Addresses(NamedTuple):
    """Root addresses of the two UIs, without a slash at the end."""

    dagster: str = "http://127.0.0.1:3000"
    mlflow: str = "http://127.0.0.1:5000"

    @classmethod
    def read(cls, home: Home) -> "Addresses":
        """The addresses that ``xmas ui`` last served on; its defaults if it never ran."""
        path = home.path() / "ui.json"
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def save(self, home: Home) -> None:
        """Note the addresses, whole or not at all: runs read them while the UI starts."""
        staged = home.path() / "ui.json.tmp"
        staged.write_text(json.dumps(self._asdict()))
        staged.replace(home.path() / "ui.json")

    def mlflow_page(self, route: str) -> str:
        """Address of an MLflow page; without the workflow type it would open as a page about chatbot traces."""
        return f"{self.mlflow}/#/{route}{'&' if '?' in route else '?'}workflowType=machine_learning"
