"""Where this home's UIs answer, so that Dagster and MLflow can link to each other on any port."""

import json
from typing import NamedTuple
from urllib.parse import urlsplit

from xmas_assets.files.notes import read_note
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home


class Addresses(NamedTuple):
    """Root addresses of the two UIs, without a slash at the end."""

    dagster: str
    mlflow: str

    @classmethod
    def read(cls, home: Home) -> "Addresses | None":
        """The addresses that ``xmas ui`` last served on; None if it never ran, since nobody can know its ports then.

        None also where the note of them is damaged: the next ``xmas ui`` writes it again, and links can wait.
        """
        try:
            return cls(**read_note(home.path() / "ui.json"))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, home: Home) -> None:
        """Note the addresses, whole or not at all: runs read them while the UI starts."""
        with replacing(home.path() / "ui.json") as unfinished:
            unfinished.write_text(json.dumps(self._asdict()))

    def mlflow_page(self, route: str) -> str:
        """Address of an MLflow page; without the workflow type it would open as a page about chatbot traces."""
        return f"{self.mlflow}/#/{route}{'&' if '?' in route else '?'}workflowType=machine_learning"

    def seen_as(self, host: str) -> "Addresses":
        """The addresses under the name that a browser calls this machine, the value of its header ``Host``.

        They stay as they are for a name without a port, which is a proxy's: the ports are not its own.
        """
        name, _, port = host.rpartition(":")
        if not (name and port.isdecimal()):
            return self
        own = urlsplit(self.dagster).hostname  # MLflow may be a server elsewhere, which keeps its name
        parts = [(each, urlsplit(each)) for each in self]
        return Addresses(*(f"{at.scheme}://{name}:{at.port}" if at.hostname == own else each for each, at in parts))
