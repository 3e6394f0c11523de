"""Which process a run belongs to, so that the runs of a killed command do not stay "started" for ever.

Dagster's database may be one that other machines share. Nobody here can know whether their processes live, so their
runs are left to their own commands.
"""

import hashlib
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
    gone = _gone(instance, folder)
    for run in _unfinished(instance, gone):
        instance.report_run_failed(run, "its process was killed; run again, finished work is kept")
    for name in gone:
        remove_if_free(folder / name)


def cancel_own_runs(instance: dg.DagsterInstance, folder: Path) -> None:
    """Mark as canceled the unfinished runs of this process, and of its workers, which are gone."""
    for run in _unfinished(instance, {process_claim(folder), *_gone(instance, folder)}):
        instance.report_run_canceled(run, _STOPPED)


def runs_of_living_servers(instance: dg.DagsterInstance) -> set[str]:
    """The unfinished runs of UIs whose code server answers now, by id."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return {run.run_id for run in runs if _CODE_SERVER_TAG in run.tags and _answers(run)}


def cancel_runs_of_ended_servers(instance: dg.DagsterInstance, were_alive: Container[str] = ()) -> None:
    """Mark as canceled the unfinished runs of a UI that has ended: a busy run is killed before it can say so.

    Args:
        instance: Where the runs are.
        were_alive: Runs whose server answered before; in a shared database these alone, for the others may be of UIs
            of other machines.
    """
    shared = _is_shared(instance)
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        is_ours = _CODE_SERVER_TAG in run.tags and (not shared or run.run_id in were_alive)
        if is_ours and not _answers(run):
            instance.report_run_canceled(run, _STOPPED)


def _gone(instance: dg.DagsterInstance, folder: Path) -> set[str]:
    """The claims whose process is gone; in a shared database only those that were made in this very folder.

    A copied home has copies of the claims, which nobody holds, while the processes go on at the home that was copied.
    """
    made_here = f"process-{_place(folder)}-*.lock" if _is_shared(instance) else "process-*.lock"
    return {path.name for path in folder.glob(made_here) if is_free(path)}


def _is_shared(instance: dg.DagsterInstance) -> bool:
    """Whether runs are kept in a database that others may use too, and not in a file of this home."""
    return "sqlite" not in type(instance.run_storage).__name__.lower()


def _place(folder: Path) -> str:
    """A name of this folder on this machine."""
    return hashlib.sha256(f"{socket.gethostname()}:{folder.resolve()}".encode()).hexdigest()[:8]


def _unfinished(instance: dg.DagsterInstance, claims: Container[str | None]) -> list[dg.DagsterRun]:
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return [run for run in runs if run.tags.get(PROCESS_TAG) in claims]


def live_runs(instance: dg.DagsterInstance, folder: Path) -> list[dg.DagsterRun]:
    """The runs that are going on: unfinished, and not those of a process that is gone."""
    gone = _gone(instance, folder)
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    return [run for run in runs if run.tags.get(PROCESS_TAG) not in gone]


@cache
def _claim(folder: Path) -> FileLock:
    lock = FileLock(folder / f"process-{_place(folder)}-{uuid.uuid4().hex}.lock", thread_local=False)
    lock.acquire()  # another process may be asking just now whether it is free
    return lock


def _answers(run: dg.DagsterRun) -> bool:
    """Whether anything listens where the code server of a run did: on a socket, or on a port."""
    server: dict[str, Any] = json_value(run.tags[_CODE_SERVER_TAG])
    path = server.get("socket")
    family, address = (socket.AF_UNIX, path) if path else (socket.AF_INET, (server["host"], server["port"]))
    with socket.socket(family) as probe:
        probe.settimeout(1.0)
        try:
            return probe.connect_ex(address) == 0
        except socket.gaierror:  # the name of a machine that is gone
            return False
