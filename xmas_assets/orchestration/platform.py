"""The platform as Python sees it: the definitions on a home's Dagster instance, and one run of some assets."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg
from yaml import YAMLError

from xmas_assets.contracts.errors import StoreError, XmasError
from xmas_assets.contracts.messages import first_line
from xmas_assets.definitions import build_defs
from xmas_assets.files.whole import replacing
from xmas_assets.home.command import Command
from xmas_assets.home.home import Home
from xmas_assets.orchestration.asset_links import AssetLinks
from xmas_assets.orchestration.database import check_database
from xmas_assets.orchestration.event_notes import EventNotes
from xmas_assets.orchestration.freshness import Freshness, warn_once
from xmas_assets.orchestration.process_claims import PROCESS_TAG, process_claim
from xmas_assets.orchestration.stopping import is_stopping
from xmas_assets.resources.dagster_home import home_resource
from xmas_assets.resources.observations import observations
from xmas_assets.selection.registry import parameter_problems

_OUR_ERROR = re.compile(r"^xmas_assets\.[\w.]+: ")  # an XmasError explains itself, so its type is not shown

_NO_CAPTURE = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
"""Runs of a command print to its terminal. To capture that takes four processes a run, and hides the progress bars."""


class RunFailedError(XmasError):
    """A Dagster run that failed; the message names the step and its error."""

    exit_code = 1


@dataclass
class Platform:
    """The definitions and the instance they run on."""

    defs: dg.Definitions
    instance: dg.DagsterInstance
    home: Home
    command: Command

    @classmethod
    def open(cls, home: Home, *, command: Command | None = None) -> "Platform":
        """Open (and on first use create) the Dagster instance below the home, for this command or the present one."""
        defs = build_defs({"home": home_resource.configured({"root": str(home.root)})})
        return cls(defs, open_instance(home), home, command or Command.now())

    @cached_property
    def links(self) -> AssetLinks:
        """How the assets hang together."""
        return AssetLinks.of(self.defs)

    def observe(self, dataset: str) -> None:
        """Tell Dagster the current versions of the dataset's files and settings; unchanged ones are left alone.

        Parameters of methods that cannot be used are said, once: they stop only those methods.
        """
        self.instance.add_dynamic_partitions("dataset", [dataset])
        for event in observations(self.instance, self.home, dataset):
            self.instance.report_runless_asset_event(event)
        for problem in parameter_problems(self.home.settings(dataset).methods.parameters):
            warn_once(f"{self.home.registration_path(dataset)} sets parameters that nothing uses: {problem}")

    def freshness(self) -> Freshness:
        """What is up to date now."""
        notes = EventNotes.open(self.instance, self.home.path("dagster") / "latest_events.json")
        return Freshness(self.home, self.links, notes)

    def stale(self, assets: Iterable[str], partition: str) -> list[str]:
        """Those of ``assets`` that are missing or stale in ``partition``, with those among them that follow."""
        return self.freshness().stale(assets, partition)

    def materialize(self, assets: Sequence[str], partition: str | dg.MultiPartitionKey) -> None:
        """Run these assets for one partition, in this process.

        Raises:
            RunFailedError: If a step or a blocking check fails; an ``XmasError`` of a step keeps its message.
            KeyboardInterrupt: If the run was interrupted.
        """
        if not assets:
            return
        result = self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
            tags={PROCESS_TAG: process_claim(self.home.locks.folder)} | self.command.tags(),
        )
        for asset in assets:  # one that failed while it was described still holds its lock
            self.home.locks.release(asset, str(partition))
        if is_stopping() or _was_interrupted(result):
            raise KeyboardInterrupt
        if not result.success:
            raise RunFailedError(_explain(result, assets, partition))


def open_instance(home: Home) -> dg.DagsterInstance:
    """The Dagster instance of this home; ``DAGSTER_HOME`` is set to it for this process and its children."""
    folder = home.path("dagster")
    settings = folder / "dagster.yaml"
    if not settings.exists():
        with replacing(settings) as unfinished:
            unfinished.write_bytes((Path(__file__).parents[1] / "instance" / "dagster.yaml").read_bytes())
    check_database(settings)
    os.environ["DAGSTER_HOME"] = str(folder)
    try:
        return dg.DagsterInstance.local_temp(str(folder), overrides={"compute_logs": _NO_CAPTURE})
    except (YAMLError, UnicodeDecodeError, dg.DagsterInvalidConfigError) as error:
        raise StoreError(
            f"{settings} is damaged, or not settings of Dagster ({first_line(error)}); delete it, and the next command "
            "writes it anew"
        ) from error


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether Ctrl-C or SIGTERM ended the run."""
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    interrupted = dg.DagsterExecutionInterruptedError.__name__
    return any(error is not None and error.cls_name == interrupted for error in errors)


def _explain(result: dg.ExecuteInProcessResult, assets: Sequence[str], partition: str) -> str:
    """The first failed check or step of a run, in one line."""
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
            asset = evaluation.asset_key.to_user_string()
            return f"{asset} of {partition} failed its check {evaluation.check_name}: {evaluation.description}"
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error is not None and error.cause is not None else error
            text = cause.message.strip().splitlines()[-1] if cause is not None else "unknown error"
            text = _OUR_ERROR.sub("", text)
            # A step that can make several assets bears a name of its own.
            return f"{assets[0] if len(assets) == 1 else event.step_key} of {partition}: {text}"
    return f"run {result.run_id} of {partition} failed"
