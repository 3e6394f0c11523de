"""Which process a run belongs to, so that the runs of a killed command do not stay "started" for ever."""

import uuid
from functools import cache
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

PROCESS_TAG = "xmas/process"
_UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def process_claim(folder: Path) -> str:
    """Name of this process in a folder of locks: its file there stays locked for as long as the process lives."""
    return Path(_claim(folder).lock_file).name


def end_killed_runs(instance: dg.DagsterInstance, folder: Path) -> None:
    """Mark as failed the unfinished runs whose process is gone; they would hold places in the queue for ever."""
    dead = {path.name for path in folder.glob("process-*.lock") if _is_free(path)}
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if run.tags.get(PROCESS_TAG) in dead:
            instance.report_run_failed(run, "its process was killed; run again, finished work is kept")
    for name in dead:
        (folder / name).unlink(missing_ok=True)


@cache
def _claim(folder: Path) -> FileLock:
    lock = FileLock(folder / f"process-{uuid.uuid4().hex}.lock", thread_local=False)
    lock.acquire(timeout=0)
    return lock


def _is_free(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True
