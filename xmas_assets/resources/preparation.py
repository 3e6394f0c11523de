"""What comes before a selection is made: a record of the signals that there are."""

import dagster as dg

from xmas_assets.home.home import Home
from xmas_assets.resources.observations import signal_observations


class Preparation(dg.ConfigurableResource):
    """Records the signals of a dataset; one that also makes those that are missing is in ``orchestration/``."""

    home: dg.ResourceDependency[Home]

    def make_ready(self, context: dg.AssetExecutionContext, dataset: str, method: str) -> None:
        """Make what the method reads, and have the selection that is being made recorded as made from what is there.

        Args:
            context: Of the step that makes the selection.
            dataset: Its dataset.
            method: Name of its method.
        """
        self.make_missing(context, dataset, method)
        for event in signal_observations(context.instance, [dataset]):
            context.instance.report_runless_asset_event(event)
        # Dagster looked at the inputs when the step began.
        context.get_step_execution_context().fetch_external_input_asset_version_info()

    def make_missing(self, context: dg.AssetExecutionContext, dataset: str, method: str) -> None:
        """Make what the method reads and nobody has made; here nothing, since commands make it before."""
