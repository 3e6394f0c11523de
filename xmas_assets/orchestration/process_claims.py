"""Which process a run belongs to, so that the runs of a killed command do not stay "started" for ever."""

import socket
import uuid
from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock

from xmas_assets.files.notes import json_value
from xmas_assets.home.locks import is_free, remove_if_free

PROCESS_TAG = "xmas/process"
_CODE_SERVER_TAG = ".dagster/grpc_info"  # as Dagster names it: where the code server listens that a run was started by
_STOPPED = "stopped; run again, finished work is kept"
_STATUS = dg.DagsterRunStatus
_UNFINISHED = [_STATUS.NOT_STARTED, _STATUS.STARTING, _STATUS.STARTED, _STATUS.CANCELING]


def process_claim(folder: Path) -> str:
    """Name of this process in a folder of locks: its file there stays locked for as long as the process lives."""
    return Path(_claim(folder).lock_file).name


def end_killed_runs(instance: dg.DagsterInstance, folder: Path) -> None:
    """Mark as failed the unfinished runs whose process is gone; they would hold places in the queue for ever."""
    gone = _gone(folder)
    for run in _unfinished(instance, gone):
        instance.report_run_failed(run, "its process was killed; run again, finished work is kept")
    for name in gone:
        remove_if_free(folder / name)


def cancel_own_runs(instance: dg.DagsterInstance, folder: Path) -> None:
    """Mark as canceled the unfinished runs of this process, and of its workers, which are gone."""
    for run in _unfinished(instance, {process_claim(folder), *_gone(folder)}):
        instance.report_run_canceled(run, _STOPPED)


def cancel_runs_of_ended_servers(instance: dg.DagsterInstance) -> None:
    """Mark as canceled the unfinished runs of a UI that has ended: a busy run is killed before it can say so."""
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        if _CODE_SERVER_TAG in run.tags and not _answers(json_value(run.tags[_CODE_SERVER_TAG])):
            instance.report_run_canceled(run, _STOPPED)


def _gone(folder: Path) -> set[str]:
    """The claims whose process is gone."""
    return {path.name for path in folder.glob("process-*.lock") if is_free(path)}


def _unfinished(instance: dg.DagsterInstance, claims: Container[str | None]) -> list[dg.DagsterRun]:
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return [run for run in runs if run.tags.get(PROCESS_TAG) in claims]


def live_runs(instance: dg.DagsterInstance, folder: Path) -> list[dg.DagsterRun]:
    """The runs that are going on: unfinished, and not those of a process that is gone."""
    gone = _gone(folder)
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return [run for run in runs if run.tags.get(PROCESS_TAG) not in gone]


@cache
def _claim(folder: Path) -> FileLock:
    lock = FileLock(folder / f"process-{uuid.uuid4().hex}.lock", thread_local=False)
    lock.acquire()  # another process may be asking just now whether it is free
    return lock


def _answers(server: dict[str, Any]) -> bool:
    """Whether anything listens where Dagster's code server did: on a socket, or on a port of this machine."""
    path = server.get("socket")
    family, address = (socket.AF_UNIX, path) if path else (socket.AF_INET, (server["host"], server["port"]))
    with socket.socket(family) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(address) == 0
