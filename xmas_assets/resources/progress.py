"""Progress of long work: a bar on the terminal, elsewhere a line with rate and ETA every half minute.

Dagster's log has these lines in either case.
"""

import logging
import sys
import time
from collections.abc import Callable

from tqdm import tqdm

from xmas_assets.contracts.progress import Progress

_SECONDS_BETWEEN_LINES = 30.0


class ProgressBar:
    """Shows one piece of long work; a ``ProgressCallback``."""

    def __init__(self, label: str, log: logging.Logger, *, unit: str = "row") -> None:
        self._label = label
        self._log = log
        self._unit = unit
        self._bar = tqdm(desc=label, unit=unit, disable=None, leave=False)
        self._started = self._last_line = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Show how far the work is."""
        self._bar.total, self._bar.initial = progress.total, progress.kept
        self._bar.update(progress.done - self._bar.n)
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            shown = tqdm.format_meter(
                progress.done, progress.total or 0, now - self._started, unit=self._unit, initial=progress.kept
            )
            self._log.info(f"{self._label}: {shown}")
            if not sys.stderr.isatty():
                print(f"{self._label}: {shown}", file=sys.stderr, flush=True)
        if progress.total is not None and progress.done >= progress.total:
            self._bar.close()


def listen(log: logging.Logger) -> Callable[[str], ProgressBar]:
    """Give what makes bars with this log."""
    return lambda label: ProgressBar(label, log)
