"""A training on several processes of this machine: they are started, heard, and never left behind.

``torch.distributed.run`` starts the ranks (``training/rank.py``) and ends all when one ends. They hold the ends of two
pipes of this process: what they say comes through one, whose end is the end of the last of them; that the other is
closed, by this process or by its death, is their sign to end.
"""

import logging
import os
import pickle
import re
import secrets
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import ModelError, XmasError
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.usage import Usage, count_earlier
from xmas_assets.contracts.workers import Ranks
from xmas_assets.files.whole import remove_unfinished, temporary_path
from xmas_assets.training.job import TrainingJob
from xmas_assets.training.news import WORD, Note, read_news
from xmas_assets.training.run_directory import RunDirectory, read_record, usage_of

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_END_SECONDS = 10.0
_LINES_KEPT = 200
# Of the summary that torch.distributed.run ends with, one for each rank that failed.
_ENDED = re.compile(r"rank\s*: (\d+) .*\n\s*exitcode\s*: (-?\d+)")


def train_on_ranks(job: TrainingJob, run: RunDirectory, progress: ProgressCallback | None) -> list[Checkpoint]:
    """Do a training on processes of its own.

    Raises:
        XmasError: Of a rank.
        ModelError: If one ends without saying why, or there are fewer GPUs than ranks.
    """
    device = job.base_settings.device
    if device == "cuda" and torch.cuda.device_count() < job.ranks.n:
        raise ModelError(
            f"workers.training_ranks is {job.ranks.n}, but torch sees {torch.cuda.device_count()} GPUs, of which each "
            "process takes one; lower it"
        )
    _, earlier = run.last_state()
    count_earlier(usage_of(earlier, device))
    remove_unfinished(job.output)
    with temporary_path(job.output / "job") as path:
        path.write_bytes(pickle.dumps(replace(job, ranks=Ranks(job.ranks.n, job.ranks.sharding))))
        with job.ranks.session() as variables, _Ranks(path, job, variables) as ranks:
            ranks.hear(progress)
    checkpoints = run.finished()
    assert checkpoints is not None
    record = read_record(job.output)
    wall_seconds = (record.wall_seconds or 0.0) - earlier.wall_seconds
    gpu_seconds = wall_seconds * job.ranks.n if device == "cuda" else 0.0
    # This process's own clock has run meanwhile.
    count_earlier(Usage(record.cpu_seconds - earlier.cpu_seconds, 0.0, gpu_seconds))
    return checkpoints


class _Ranks:
    """The processes of a job."""

    def __init__(self, path: Path, job: TrainingJob, variables: Mapping[str, str]) -> None:
        self._n = job.ranks.n
        self._word = secrets.token_hex(16)
        local = {"GLOO_SOCKET_IFNAME": "lo"} if Path("/sys/class/net/lo").exists() else {}
        self._agent = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1",
             f"--nproc-per-node={self._n}", "-m", "xmas_assets.training.rank", str(path)],
            env={**os.environ, "OMP_NUM_THREADS": str(job.settings.threads)} | local | {WORD: self._word, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C on a terminal is for this process, which ends them
        )  # fmt: skip
        self._errors: list[Exception] = []
        self._said: deque[str] = deque(maxlen=_LINES_KEPT)

    def __enter__(self) -> "_Ranks":
        return self

    def __exit__(self, *_: object) -> None:
        """End those that still live."""
        assert self._agent.stdin is not None and self._agent.stdout is not None
        self._agent.stdin.close()
        self._agent.terminate()
        for _line in self._lines(until=time.monotonic() + _END_SECONDS):
            pass
        self._agent.kill()
        self._agent.wait()
        self._agent.stdout.close()

    def hear(self, progress: ProgressCallback | None) -> None:
        """Pass on what they say until they have ended; raises as ``train_on_ranks``."""
        for line in self._lines():
            news = read_news(line, word=self._word)
            if isinstance(news, Progress) and progress is not None:
                progress(news)
            elif isinstance(news, Note):
                logging.getLogger(news.logger).log(news.level, "%s", news.text)
            elif isinstance(news, Exception):
                self._errors.append(news)
            elif news is None:
                self._said.append(line.decode(errors="replace"))
        if self._agent.wait() != 0:
            raise self._failure()

    def _lines(self, *, until: float = float("inf")) -> Iterator[bytes]:
        """What they say, until the last of them has ended, or the one that watches over them, or a time has come."""
        assert self._agent.stdout is not None
        rest = b""
        while time.monotonic() < until:
            was_alive = self._agent.poll() is None
            ready, _, _ = select.select([self._agent.stdout], [], [], _LOOK_SECONDS)
            if ready:
                said = os.read(self._agent.stdout.fileno(), 1 << 16)
                if not said:
                    return
                *lines, rest = (rest + said).split(b"\n")
                yield from lines
            elif not was_alive:
                return

    def _failure(self) -> Exception:
        """Why they have ended: their own word, or a signal, which makes others fail too."""
        of_ours = [error for error in self._errors if isinstance(error, XmasError)]
        if of_ours:
            return of_ours[0]
        ended = [(int(rank), int(code)) for rank, code in _ENDED.findall("\n".join(self._said))]
        killed = [(rank, code) for rank, code in ended if code < 0 and code != -signal.SIGTERM]
        if self._errors and not killed:
            return self._errors[0]
        why = "torch.distributed.run ended"
        if killed or ended:
            rank, code = (killed or ended)[0]
            why = f"process {rank} of {self._n} ended with code {code}"
        else:
            _LOG.error("%s", "\n".join(self._said))
        hint = "; -9 often means that memory ran out" if killed else ""
        return ModelError(f"{why} while training{hint}; run again: it goes on from the last saved state")
