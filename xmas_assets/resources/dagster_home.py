"""The Dagster resource around ``Home``: opened once per run, and device failures retried once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from xmas_assets.contracts.errors import DeviceError
from xmas_assets.home.home import Home


class DagsterHome(Home):
    """A home whose stages ask Dagster to try once more when a device fails.

    In runs of the UI the second try is a new process, which a device that was lost needs.
    """

    @contextmanager
    def stages(self, shares: Mapping[str, float], partition: str, key: str) -> Iterator[None]:
        """Do several stages of one partition in one piece of work; see ``Home.stages``.

        Raises:
            RetryRequested: If a device failed.
        """
        try:
            with super().stages(shares, partition, key):
                yield
        except DeviceError as error:
            raise dg.RetryRequested(max_retries=1) from error


@dg.resource(
    config_schema={
        "root": dg.Field(
            str, default_value="", description="Folder for all data; empty for XMAS_HOME of the environment, or .xmas."
        )
    }
)
def home_resource(context: dg.InitResourceContext) -> DagsterHome:
    """The home of the run."""
    return DagsterHome.open(context.resource_config["root"])
