"""A rank's part of a training, and what it tells of it."""

import logging
import os
import pickle
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import PartialState
from dagster_pipes import open_dagster_pipes

from xmas_assets.contracts.errors import XmasError
from xmas_assets.contracts.messages import first_line
from xmas_assets.training.job import TrainingJob
from xmas_assets.training.news import Note, tell
from xmas_assets.training.ranks import is_first, rank
from xmas_assets.training.run_directory import RunDirectory
from xmas_assets.training.trainer import train_job

_MOST_CHARACTERS = 2000


def main(path: str) -> None:
    """Do this rank's part of the job in a file, and end the process: with 0, or 1 where it failed."""
    code = 1
    try:
        job: TrainingJob = pickle.loads(Path(path).read_bytes())  # noqa: S301 - of our own parent
        _join(job)
        if is_first():
            with _heard() as log:
                log.info("%d processes train together (%s)", job.ranks.n, job.ranks.sharding)
                train_job(job, RunDirectory(job.output, run=job.identity), tell)
        else:
            train_job(job, None, None)
        torch.distributed.destroy_process_group()
        code = 0
    except XmasError as error:
        tell(error)
    except Exception as error:
        failed = RuntimeError(f"process {rank()} of the training failed: {type(error).__name__}: {first_line(error)}")
        failed.add_note("".join(traceback.format_exception(error))[-_MOST_CHARACTERS:])
        tell(failed)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # at once: threads and other ranks are not waited for


def _join(job: TrainingJob) -> None:
    """Become one of the ranks, on a GPU of its own where there are some."""
    is_on_cpu = job.base_settings.device == "cpu"
    if not is_on_cpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    PartialState(cpu=is_on_cpu)


@contextmanager
def _heard() -> Iterator[logging.Logger]:
    """Give log records to the process that started this one, and to Dagster where one of its steps did."""
    log = logging.getLogger("xmas_assets")
    log.setLevel(logging.INFO)
    log.addHandler(_Told())
    if "DAGSTER_PIPES_CONTEXT" not in os.environ:
        yield log
        return
    with open_dagster_pipes() as pipes:
        log.addHandler(_Told(pipes.log))
        yield log


class _Told(logging.Handler):
    """Gives log records to the process that started this one, which logs them as its own; or to another log."""

    def __init__(self, log: logging.Logger | None = None) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)[-_MOST_CHARACTERS:]
        if self._log is not None:
            self._log.log(record.levelno, "%s", text)
        else:
            tell(Note(record.name, record.levelno, text))
