"""Progress of long work: a bar on the terminal, and a line with rate and ETA in the Dagster log every half minute."""

import logging
import time

from tqdm import tqdm

from xmas_assets.scale.shards import ProgressReport

_SECONDS_BETWEEN_LINES = 30.0


class Meter:
    """Listens to one piece of long work, in whichever way that work reports."""

    def __init__(self, label: str, log: logging.Logger, *, unit: str = "row") -> None:
        self._label = label
        self._log = log
        self._unit = unit
        self._bar = tqdm(desc=label, unit=unit, disable=None, leave=False)
        self._started = self._last_line = time.monotonic()

    def __call__(self, done: float, total: float | None) -> None:
        """So much of so much is done; the total may be unknown."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            elapsed = now - self._started
            self._log.info(f"{self._label}: {tqdm.format_meter(done, total or 0, elapsed, unit=self._unit)}")
        if total is not None and done >= total:
            self._bar.close()

    def shards(self, report: ProgressReport) -> None:
        """As sharded work reports."""
        self(report.done, report.total)

    def records(self, split: str, n_rows: int) -> None:
        """As reading a dataset reports."""
        self(n_rows, None)
