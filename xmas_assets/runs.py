"""Run the assets on the Dagster instance from Python: what is stale, in which order, in how many processes.

The CLI's runs are ordinary Dagster runs on the same instance as the UI's, so they show up there. Nothing that is
fresh (Dagster's own judgement, per partition) is run again.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

import dagster as dg
from tqdm import tqdm

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.platforms import Platform, RunFailedError
from xmas_assets.processes import end_killed_runs
from xmas_assets.resources.home import Home
from xmas_assets.selection.registry import METHODS
from xmas_assets.selection.signals import SIGNALS

SELECTION_STAGES = ("selected_subset", "target_model", "benchmark_scores")


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
        say: Receives one line per stage of the dataset.

    Raises:
        RunFailedError: After all other selections have finished, if any failed.
    """
    end_killed_runs(platform.instance, platform.home.path("locks"))
    platform.observe(dataset)
    platform.instance.add_dynamic_partitions("selection", [str(key) for key in keys])
    impossible = _prepare(platform, dataset, sorted({key.method for key in keys}), say=say)
    failures = {key: impossible[key.method] for key in keys if key.method in impossible}
    freshness = platform.freshness()
    stale = {key: freshness.stale(stages, _partition(dataset, key)) for key in keys if key not in failures}
    todo = {key: assets for key, assets in stale.items() if assets}
    say(f"{len(todo)} of {len(keys)} selections to run")
    failures |= _run_parallel(platform, dataset, todo, workers=workers)
    if "benchmark_scores" in stages and failures.keys() != set(keys):
        platform.materialize(platform.stale(["leaderboard"], dataset), dataset)
    if failures:
        first = next(iter(failures.values()))
        raise RunFailedError(f"{len(failures)} of {len(keys)} selections failed; the first: {first}")


def _prepare(platform: Platform, dataset: str, methods: Sequence[str], *, say: Callable[[str], None]) -> dict[str, str]:
    """Bring the dataset's own stages up to date; returns why a method cannot run, by method.

    Raises:
        RunFailedError: If a stage that every method stands on fails.
    """
    _bring_up_to_date(platform, dataset, [], say=say)
    failures = {}
    for method in methods:
        try:
            _bring_up_to_date(platform, dataset, [method], say=say)
        except RunFailedError as error:
            failures[method] = str(error)
    return failures


def _bring_up_to_date(platform: Platform, dataset: str, methods: Sequence[str], *, say: Callable[[str], None]) -> None:
    for asset in stages_needed(platform, methods):
        # Asked stage by stage: a stage that comes out as before leaves those after it fresh.
        if platform.stale([asset], dataset):
            say(f"{asset} ...")
            platform.materialize([asset], dataset)


def _run_parallel(
    platform: Platform, dataset: str, todo: Mapping[SelectionKey, Sequence[str]], *, workers: int
) -> dict[SelectionKey, str]:
    """Run the stale stages of selections; returns the failures, each in one line."""
    with tqdm(total=len(todo), unit="selection", disable=None if todo else True) as bar:
        if workers == 1 or len(todo) <= 1:
            outcomes = (_run_selection(platform, dataset, key, assets) for key, assets in todo.items())
            return dict(_failed(bar, outcomes))
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(str(platform.home.path()),)
        ) as pool:
            futures: list[Future[Outcome]] = [pool.submit(_run_in_worker, dataset, *item) for item in todo.items()]
            try:
                return dict(_failed(bar, (future.result() for future in as_completed(futures))))
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            except BrokenProcessPool:
                raise RunFailedError(
                    "a worker process was killed (out of memory?); what is finished is kept: run again, with fewer "
                    "--workers"
                ) from None


Outcome = tuple[SelectionKey, str | None]


def _failed(bar: tqdm, outcomes: Iterable[Outcome]) -> Iterable[tuple[SelectionKey, str]]:
    for key, failure in outcomes:
        bar.update()
        if failure is not None:
            yield key, failure


def _run_selection(platform: Platform, dataset: str, key: SelectionKey, assets: Sequence[str]) -> Outcome:
    """Run these assets of one selection; returns the failure in one line, or None."""
    try:
        platform.materialize(assets, _partition(dataset, key))
    except RunFailedError as error:
        return key, str(error)
    return key, None


_worker_platform: list[Platform] = []


def _start_worker(root: str) -> None:
    os.environ["TQDM_DISABLE"] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker_platform.append(Platform.open(Home(root=root)))


def _end_with_parent() -> None:
    """Leave no worker behind, holding locks, when the command is killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run_in_worker(dataset: str, key: SelectionKey, assets: Sequence[str]) -> Outcome:
    return _run_selection(_worker_platform[0], dataset, key, assets)


def _partition(dataset: str, key: SelectionKey) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({"dataset": dataset, "selection": str(key)})
