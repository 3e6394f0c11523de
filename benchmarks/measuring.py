"""Single-thread CPU seconds and peak memory, and how a comparison is printed."""

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

Result = TypeVar("Result")


def best_of(run: Callable[[], Result], *, repeats: int = 3) -> tuple[float, Result]:
    """The fewest CPU seconds of several runs, and the last run's result."""
    fewest, result = _timed(run)
    for _ in range(repeats - 1):
        seconds, result = _timed(run)
        fewest = min(fewest, seconds)
    return fewest, result


def _timed(run: Callable[[], Result]) -> tuple[float, Result]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def in_child(run: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a process of its own, on one thread, so that peak memory is its own."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        return pool.submit(on_one_thread, run, arguments).result()


def on_one_thread(run: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    with threadpool_limits(limits=1):
        return run(*arguments)


def peak_mib() -> float:
    """The most memory that this process has ever held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(what: str, published: float, ours: float, *, same: str, target: str = "-") -> None:
    """Print one row: seconds as published, seconds of ours, their ratio, the target, and what was checked."""
    print(f"| {what} | {published:.4g} | {ours:.4g} | {published / ours:.1f} | {target} | {same} |", flush=True)
