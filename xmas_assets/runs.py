"""Run the assets on the Dagster instance from Python: what is stale, in which order, in how many processes.

The CLI's runs are ordinary Dagster runs on the same instance as the UI's, so they show up there. Nothing that is
fresh (Dagster's own judgement, per partition) is run again.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import dagster as dg

# What the UI shows as "stale" and what the CLI runs must be the same, so this uses the resolver behind the UI's badge.
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from tqdm import tqdm

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import XmasError
from xmas_assets.definitions import build_defs
from xmas_assets.resources.home import Home
from xmas_assets.resources.observing import observations
from xmas_assets.selection.registry import METHODS
from xmas_assets.selection.signals import SIGNALS

SELECTION_STAGES = ("selected_subset", "target_model", "benchmark_scores")


class RunFailedError(XmasError):
    """A Dagster run that failed; the message names the step and its error."""


@dataclass(frozen=True)
class Platform:
    """The definitions and the instance they run on."""

    defs: dg.Definitions
    instance: dg.DagsterInstance
    home: Home

    @classmethod
    def open(cls, home: Home) -> "Platform":
        """Open (and on first use create) the Dagster instance below the home."""
        return cls(build_defs({"home": home}), open_instance(home), home)

    def observe(self, dataset: str) -> None:
        """Tell Dagster the current versions of the dataset's files and settings; unchanged ones are left alone."""
        self.instance.add_dynamic_partitions("dataset", [dataset])
        for event in observations(self.instance, self.home, dataset):
            self.instance.report_runless_asset_event(event)

    def stale(self, assets: Iterable[str], partition: str) -> list[str]:
        """Those of ``assets`` that are missing or stale in ``partition``, with those among them that follow."""
        graph = self.defs.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        wanted = [key for key in graph.toposorted_asset_keys if key.to_user_string() in set(assets)]
        found: set[dg.AssetKey] = set()
        for key in wanted:
            fresh = resolver.get_status(key, partition) == StaleStatus.FRESH
            if not fresh or found & graph.get_ancestor_asset_keys(key):
                found.add(key)
        return [key.to_user_string() for key in wanted if key in found]

    def materialize(self, assets: Sequence[str], partition: str | dg.MultiPartitionKey) -> None:
        """Run these assets for one partition, in this process.

        Raises:
            RunFailedError: If a step or a blocking check fails; an ``XmasError`` of a step keeps its message.
        """
        if not assets:
            return
        result = self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
            tags={"xmas/from": "cli"},
        )
        if not result.success:
            raise RunFailedError(_explain(result, partition))


def open_instance(home: Home) -> dg.DagsterInstance:
    """The Dagster instance of this home; ``DAGSTER_HOME`` is set to it for this process and its children."""
    folder = home.path("dagster")
    if not (folder / "dagster.yaml").exists():
        shutil.copyfile(Path(__file__).parent / "instance" / "dagster.yaml", folder / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(folder)
    return dg.DagsterInstance.get()


def stages_needed(platform: Platform, methods: Iterable[str]) -> list[str]:
    """Dataset-level assets that these methods (and training) stand on, in topological order."""
    graph = platform.defs.resolve_asset_graph()
    assets = {"raw_dataset", "base_model"}
    assets |= {SIGNALS[signal].asset for method in methods for signal in METHODS[method].needs}
    keys = {dg.AssetKey(asset) for asset in assets}
    keys |= {ancestor for key in keys for ancestor in graph.get_ancestor_asset_keys(key)}
    return [
        key.to_user_string() for key in graph.toposorted_asset_keys if key in keys and not graph.get(key).is_external
    ]


def run_selections(
    platform: Platform,
    dataset: str,
    keys: Sequence[SelectionKey],
    *,
    stages: Sequence[str] = SELECTION_STAGES,
    workers: int = 1,
    say: Callable[[str], None] = print,
) -> None:
    """Bring these selections of one dataset up to date, and everything they stand on, and nothing else.

    Args:
        platform: Definitions and instance.
        dataset: A registered dataset.
        keys: Selections; their partitions are added.
        stages: Which 2-D assets to run; all three by default.
        workers: Processes that run selections side by side. The results do not depend on it.
        say: Receives one line per finished stage.

    Raises:
        RunFailedError: After all other selections have finished, if any failed.
    """
    platform.observe(dataset)
    platform.instance.add_dynamic_partitions("selection", [str(key) for key in keys])
    for asset in platform.stale(stages_needed(platform, {key.method for key in keys}), dataset):
        say(f"{asset} ...")
        platform.materialize([asset], dataset)
    todo = [key for key in keys if platform.stale(stages, _partition(dataset, key))]
    say(f"{len(todo)} of {len(keys)} selections to run")
    failures = _run_parallel(platform, dataset, todo, stages=stages, workers=workers)
    if "benchmark_scores" in stages:
        platform.materialize(platform.stale(["leaderboard"], dataset), dataset)
    if failures:
        raise RunFailedError(f"{len(failures)} of {len(todo)} selections failed; the first: {failures[0]}")


def freshness(platform: Platform, dataset: str) -> dict[str, Counter[str]]:
    """Per asset, how many of the dataset's partitions are FRESH, STALE or MISSING; selections that exist only."""
    graph = platform.defs.resolve_asset_graph()
    platform.observe(dataset)
    resolver = CachingStaleStatusResolver(platform.instance, graph, LoadingContextForTest(platform.instance))
    states: dict[str, Counter[str]] = {}
    for key in graph.toposorted_asset_keys:
        if graph.get(key).is_external:
            continue
        partitions = [dataset]
        if isinstance(graph.get(key).partitions_def, dg.MultiPartitionsDefinition):
            made = platform.instance.get_materialized_partitions(dg.AssetKey("selected_subset"))
            partitions = sorted(partition for partition in made if partition.startswith(f"{dataset}|"))
        states[key.to_user_string()] = Counter(resolver.get_status(key, partition).name for partition in partitions)
    return states


def _run_parallel(
    platform: Platform, dataset: str, keys: Sequence[SelectionKey], *, stages: Sequence[str], workers: int
) -> list[str]:
    with tqdm(total=len(keys), unit="selection", disable=None if keys else True) as bar:
        if workers == 1 or len(keys) <= 1:
            outcomes = (_run_selection(platform, dataset, key, stages) for key in keys)
            return [failure for failure in _advance(bar, outcomes) if failure]
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(str(platform.home.path()),)
        ) as pool:
            futures: list[Future[str | None]] = [pool.submit(_run_in_worker, dataset, key, stages) for key in keys]
            outcomes = (future.result() for future in as_completed(futures))
            return [failure for failure in _advance(bar, outcomes) if failure]


def _advance(bar: tqdm, outcomes: Iterable[str | None]) -> Iterable[str | None]:
    for outcome in outcomes:
        bar.update()
        yield outcome


def _run_selection(platform: Platform, dataset: str, key: SelectionKey, stages: Sequence[str]) -> str | None:
    """Run what is stale of one selection; returns the failure in one line, or None."""
    partition = _partition(dataset, key)
    try:
        platform.materialize(platform.stale(stages, partition), partition)
    except RunFailedError as error:
        return str(error)
    return None


_worker_platform: list[Platform] = []


def _start_worker(root: str) -> None:
    os.environ["TQDM_DISABLE"] = "1"
    _worker_platform.append(Platform.open(Home(root=root)))


def _run_in_worker(dataset: str, key: SelectionKey, stages: Sequence[str]) -> str | None:
    return _run_selection(_worker_platform[0], dataset, key, stages)


def _partition(dataset: str, key: SelectionKey) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({"dataset": dataset, "selection": str(key)})


def _explain(result: dg.ExecuteInProcessResult, partition: str) -> str:
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
            return f"{event.step_key} of {partition}: {text}"
    return f"run {result.run_id} of {partition} failed"
