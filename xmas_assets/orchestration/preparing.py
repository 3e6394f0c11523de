"""A selection that is started in the UI makes what its method reads by itself, in runs of their own."""

import time
from collections.abc import Callable, Collection

import dagster as dg

from xmas_assets.home.command import Command
from xmas_assets.home.home import Home
from xmas_assets.orchestration.freshness import MISSING, STALE
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.selection_runs import TRAINED, at_work, passes
from xmas_assets.report.text import duration
from xmas_assets.resources.preparation import Preparation
from xmas_assets.selection.registry import assets_read
from xmas_assets.stages.requirements import check_assets

_WORK = "preparation"


class SelfPreparation(Preparation):
    """Makes what is missing of a dataset before one of its selections is made."""

    def make_missing(self, context: dg.AssetExecutionContext, dataset: str, method: str) -> None:
        """Run the stages that the method depends on and nobody has run; see ``make_missing``."""
        together = {key.to_user_string() for key in context.job_def.asset_layer.executable_asset_keys}
        command = Command(f"Dagster {context.run.run_id[:8]}", time.time_ns())
        needed = {*assets_read([method]), *(("target_base",) if TRAINED & together else ())}
        make_missing(self.home, dataset, needed, command=command, say=context.log.info)


def make_missing(
    home: Home, dataset: str, assets: Collection[str], *, command: Command, say: Callable[[str], None]
) -> None:
    """Make these assets of a dataset and all behind them, as far as they are missing.

    What is there and stale is used as it is, and named: a person who chose one asset in the UI did not ask for hours of
    training.

    Args:
        home: The platform's folder.
        dataset: A registered dataset.
        assets: Their names; none of a selection.
        command: What the runs are tagged as.
        say: Receives a line per stage.

    Raises:
        XmasError: Before any work, if a stage needs what nobody has provided.
        RunFailedError: If a stage fails.
    """
    platform = Platform.open(home, command=command)
    with at_work(platform, dataset):
        home.locks.hold(_WORK, dataset)  # two selections of a fresh dataset make it once
        try:
            _make_missing(platform, dataset, platform.links.behind(assets), say=say)
        finally:
            home.locks.release(_WORK, dataset)


def _make_missing(platform: Platform, dataset: str, stages: list[str], *, say: Callable[[str], None]) -> None:
    states = platform.freshness().states(stages, [dataset])
    missing = [stage for stage in stages if states[stage][dataset] == MISSING]
    check_assets(platform.home, dataset, missing)
    if missing:
        platform.observe(dataset)
    for together in passes(missing):
        names, started = ", ".join(together), time.monotonic()
        say(f"{names} of {dataset}: nobody has made it yet; making it now")
        platform.materialize(together, dataset)
        say(f"{names} of {dataset}: made in {duration(time.monotonic() - started)}")
    if stale := [stage for stage in stages if states[stage][dataset] == STALE]:
        say(f"used as they are, though not up to date: {', '.join(stale)}; 'xmas select' makes them anew")
