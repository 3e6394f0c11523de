"""Run the assets on the Dagster instance from Python: what is stale, in which order, in how many processes.

The CLI's runs are ordinary Dagster runs on the same instance as the UI's, so they show up there. Nothing that is
fresh (by the versions in Dagster's event log, per partition) is run again.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process

import dagster as dg
from tqdm import tqdm

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.home.command import Command
from xmas_assets.home.home import Home
from xmas_assets.orchestration.before_training import say_what_is_too_long, say_what_scores_mean
from xmas_assets.orchestration.platform import Platform, RunFailedError
from xmas_assets.orchestration.process_claims import cancel_own_runs, end_killed_runs
from xmas_assets.orchestration.stopping import at_stop
from xmas_assets.report.text import duration
from xmas_assets.scale.child_processes import not_for_children
from xmas_assets.selection.registry import assets_read
from xmas_assets.stages.contamination import excluded_rows
from xmas_assets.stages.file_changes import say_file_changes
from xmas_assets.stages.refused import say_refused
from xmas_assets.stages.requirements import TRAININGS, check_questions, check_requirements, check_trainings
from xmas_assets.stages.subsets import selectable_rows

TRAINED = {"target_model", "benchmark_scores"}
SELECTION_STAGES = ("selected_subset", "target_model", "benchmark_scores")


def run_selections(
    platform: Platform,
    dataset: str,
    keys: Sequence[SelectionKey],
    *,
    stages: Sequence[str] = SELECTION_STAGES,
    workers: int = 1,
    say: Callable[[str], None] = print,
) -> None:
    """Bring these selections of one dataset up to date, and everything they depend on, and nothing else.

    Args:
        platform: Definitions and instance.
        dataset: A registered dataset.
        keys: Selections; their partitions are added.
        stages: Which 2-D assets to run; all three by default.
        workers: Processes that run selections side by side. The results do not depend on it.
        say: Receives one line per stage of the dataset.

    Raises:
        XmasError: Before any work, if a method needs what nobody has provided, or targets could not be scored.
        RunFailedError: After all other selections have finished, if any failed.
    """
    with at_work(platform, dataset):
        _run_selections(platform, dataset, keys, stages=stages, workers=workers, say=say)


def _run_selections(
    platform: Platform,
    dataset: str,
    keys: Sequence[SelectionKey],
    *,
    stages: Sequence[str],
    workers: int,
    say: Callable[[str], None],
) -> None:
    methods = sorted({key.method for key in keys})
    check_requirements(platform.home, dataset, methods)
    if "benchmark_scores" in stages:
        check_questions(platform.home, dataset)
    platform.observe(dataset)
    check_trainings(platform.home, dataset, _to_train(platform, dataset, keys, stages))
    say_file_changes(platform.home, dataset, say=say)
    platform.instance.add_dynamic_partitions("selection", [str(key) for key in keys])
    # Before anything is trained, so that a missing model is reported at once, and what follows is said first.
    first = platform.links.read_first(methods, trains=bool(TRAINED & set(stages)))
    _prepare(platform, dataset, [], always=first, say=say)
    if platform.home.registration(dataset).exclude_contaminated:
        excluded_rows(platform.home, dataset)  # refused where no row is left
    if "benchmark_scores" in stages:
        say_what_scores_mean(platform, dataset, keys, say=say)
    say_what_is_too_long(platform, dataset, keys, stages=stages, say=say)
    impossible = _prepare(platform, dataset, methods, always=first, say=say)
    for method, reason in impossible.items():
        say(f"{method} cannot run: {reason}")
    failures = {key: impossible[key.method] for key in keys if key.method in impossible}
    partitions = {key: _partition(dataset, key) for key in keys if key not in failures}
    stale = platform.freshness().stale_by_partition(stages, partitions.values())
    todo = {key: stale[partition] for key, partition in partitions.items() if stale[partition]}
    say(f"{len(todo)} of {len(keys)} selections to run")
    failures |= _run_parallel(platform, dataset, todo, workers=workers, say=say)
    if "benchmark_scores" in stages and failures.keys() != set(keys):
        platform.materialize(platform.stale(["leaderboard"], dataset), dataset)
    if failures:
        first = next(iter(failures.values()))
        raise RunFailedError(f"{len(failures)} of {len(keys)} selections failed; the first: {first}")


def _to_train(platform: Platform, dataset: str, keys: Sequence[SelectionKey], stages: Sequence[str]) -> list[str]:
    """The assets of ``TRAININGS`` that a run has to make, as far as it is known before; what is up to date is kept."""
    behind = platform.links.behind(assets_read(key.method for key in keys))
    found = platform.stale([asset for asset in behind if asset in TRAININGS], dataset)
    targets = [stage for stage in stages if stage in TRAININGS]
    stale = platform.freshness().stale_by_partition(targets, [_partition(dataset, key) for key in keys])
    return [*found, *{target for assets in stale.values() for target in assets}]


def bring_up_to_date(platform: Platform, dataset: str, asset: str, *, say: Callable[[str], None] = print) -> None:
    """Bring one asset of a dataset, and everything that it depends on, up to date.

    Raises:
        RunFailedError: If a stage fails.
    """
    with at_work(platform, dataset):
        platform.observe(dataset)
        behind = platform.links.behind([asset])
        check_trainings(platform.home, dataset, platform.stale([each for each in behind if each in TRAININGS], dataset))
        for together in passes(behind):
            failures = _materialize(platform, dataset, platform.stale(together, dataset), say=say)
            if failures:
                raise RunFailedError(next(iter(failures.values())))


@contextmanager
def at_work(platform: Platform, dataset: str) -> Iterator[None]:
    """Keep a dataset from being removed. No run of Dagster's stays "started", killed before or stopped now."""
    instance, locks = platform.instance, platform.home.locks
    with platform.home.using(dataset), at_stop(lambda: cancel_own_runs(instance, locks.folder)):
        end_killed_runs(instance, locks.folder)
        yield


def rows_read(home: Home, dataset: str, *, say: Callable[[str], None] = print) -> int:
    """How many rows of a dataset can be selected; it is read if it was not.

    Raises:
        RunFailedError: If it cannot be read.
    """
    bring_up_to_date(Platform.open(home), dataset, "raw_dataset", say=say)
    return selectable_rows(home, dataset)


def _prepare(
    platform: Platform, dataset: str, methods: Sequence[str], *, always: set[str], say: Callable[[str], None]
) -> dict[str, str]:
    """Bring the stages that these methods depend on up to date; returns why a method cannot run, by method.

    Raises:
        RunFailedError: If a stage that every method depends on fails.
    """
    failures: dict[str, str] = {}  # by stage
    for together in passes(platform.links.behind({*always, *assets_read(methods)})):
        sound = [asset for asset in together if not failures.keys() & set(platform.links.behind([asset]))]
        # Asked stage by stage: a stage that comes out as before leaves those after it fresh.
        stale = platform.stale(sound, dataset)
        failures |= _materialize(platform, dataset, stale, say=say)
        if failures.keys() & always:
            raise RunFailedError(next(iter(failures.values())))
    needed = {method: platform.links.behind(assets_read([method])) for method in methods}
    roots = {method: [stage for stage in stages if stage in failures] for method, stages in needed.items()}
    return {method: failures[stages[0]] for method, stages in roots.items() if stages}


def passes(stages: Sequence[str]) -> list[list[str]]:
    """The stages in their order, those that are read in one pass over the data together."""
    together = [stage for stage in stages if stage in READ_IN_ONE_PASS]
    return [together if stage in together else [stage] for stage in stages if stage not in together[1:]]


def _materialize(
    platform: Platform, dataset: str, assets: Sequence[str], *, say: Callable[[str], None]
) -> dict[str, str]:
    """Run these assets together, or where that fails one half after the other; returns the failures by asset."""
    if not assets:
        return {}
    names, started = ", ".join(assets), time.monotonic()
    say(f"{names} ...")
    try:
        platform.materialize(assets, dataset)
    except RunFailedError as error:
        if len(assets) == 1:
            return {assets[0]: str(error)}
        rest = platform.stale(assets, dataset)
        half = (len(rest) + 1) // 2
        first = _materialize(platform, dataset, rest[:half], say=say)
        return first | _materialize(platform, dataset, rest[half:], say=say)
    say(f"{names}: made in {duration(time.monotonic() - started)}")
    if {"raw_dataset", "validation_samples"} & set(assets):
        say_refused(platform.home, dataset, say=say)
    return {}


def _run_parallel(
    platform: Platform,
    dataset: str,
    todo: Mapping[SelectionKey, Sequence[str]],
    *,
    workers: int,
    say: Callable[[str], None],
) -> dict[SelectionKey, str]:
    """Run the stale stages of selections; returns the failures, each in one line.

    Workers begin with the large ones, so that none is alone at the end with one of them.
    """
    all_budgets = sum(float(key.budget) for key in todo)
    with tqdm(total=len(todo), unit="selection", disable=None if todo else True) as bar:
        if workers == 1 or len(todo) <= 1:
            outcomes = (_run_selection(platform, dataset, key, assets) for key, assets in todo.items())
            return dict(_failed(bar, outcomes, all_budgets, say=say))
        largest_first = sorted(todo.items(), key=lambda run: -run[0].budget)
        others = active_children()
        with ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_start_worker,
            initargs=(str(platform.home.path()), platform.command),
        ) as pool:
            try:
                with not_for_children():  # the first ones start the workers
                    futures = [pool.submit(_run_in_worker, dataset, *run) for run in largest_first]
                return dict(_failed(bar, (future.result() for future in as_completed(futures)), all_budgets, say=say))
            except KeyboardInterrupt:
                for worker in set(active_children()).difference(others):
                    worker.kill()
                raise
            except BrokenProcessPool:
                raise RunFailedError(
                    "a worker process was killed (out of memory?); what is finished is kept: run again, with fewer "
                    "--workers"
                ) from None


Outcome = tuple[SelectionKey, str | None]


def _failed(
    bar: tqdm, outcomes: Iterable[Outcome], budgets: float, *, say: Callable[[str], None]
) -> Iterable[tuple[SelectionKey, str]]:
    """The failures among outcomes as they come; each outcome moves the bar, or is a line where no bar is drawn.

    The time left goes by ``budgets``, the sum of all: most of it is spent on training on the rows.
    """
    started, budgets_done = time.monotonic(), 0.0
    for n_done, (key, failure) in enumerate(outcomes, start=1):
        bar.update()
        budgets_done += float(key.budget)
        if bar.disable:
            seconds = (time.monotonic() - started) * (budgets - budgets_done) / budgets_done
            left = f", about {duration(seconds)} left" if n_done < bar.total else ""
            say(f"{key}: {'failed' if failure else 'done'}, {n_done} of {bar.total}{left}")
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


def _start_worker(root: str, command: Command) -> None:
    os.environ["TQDM_DISABLE"] = "1"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker_platform.append(Platform.open(Home.open(root), command=command))


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
