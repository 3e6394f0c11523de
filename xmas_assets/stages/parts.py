"""One part of a stage's shards, made next to other parts by other processes."""

import re
from collections.abc import Sequence
from contextlib import ExitStack

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import one_of
from xmas_assets.home.home import Home
from xmas_assets.scale.engines import PartDoneError, PartEngine
from xmas_assets.stages.row_work import STAGES, Listen, stored_work

_MOST_PARTS = 100_000


def parse_part(text: str) -> PartEngine:
    """A part written such as ``0/4``.

    Raises:
        SettingsError: If it is not.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, n_parts = map(int, found.groups()) if found else (0, 0)
    if not 0 <= number < n_parts <= _MOST_PARTS:
        raise SettingsError(
            f"part {text[:40]!r} is none; write its number, from 0, and how many parts there are (at most "
            f"{_MOST_PARTS:,}), such as --part 0/4"
        )
    return PartEngine(number, n_parts)


def inputs_of(home: Home, dataset: str, stages: Sequence[str]) -> list[str]:
    """The assets that the shards of some stages are read from, each once; raises as ``make_part`` for a wrong name."""
    _check(home, dataset, stages)
    return list(dict.fromkeys(asset for stage in stages for asset in STAGES[stage]))


def make_part(home: Home, dataset: str, stages: Sequence[str], part: PartEngine, *, listen: Listen) -> list[str]:
    """Make the part's shards of some stages from what is stored.

    Args:
        home: The platform's folder, the same for all parts.
        dataset: Whose rows.
        stages: Out of ``STAGES``; several signals of the forward pass are read together.
        part: Which shards.
        listen: Gives a progress for work of a name.

    Returns:
        What was done, a line for each piece of work.

    Raises:
        SettingsError: If there is no such dataset or stage.
        StoreError: If an input was not made yet, or shards of other inputs lie there.
    """
    _check(home, dataset, stages)
    said = []
    with home.locks.using(dataset), home.publishing():
        for work in stored_work(home, dataset, dict.fromkeys(stages)):
            with ExitStack() as held:
                for stage in sorted(work.shares):
                    held.enter_context(home.locks.part(stage, dataset))
                try:
                    work.make(part, listen)
                    done = "all shards are there; 'xmas run' goes on from them"
                except PartDoneError as left:
                    done = str(left)
            said.append(f"{', '.join(work.shares)} of {dataset}: {done}")
    return said


def _check(home: Home, dataset: str, stages: Sequence[str]) -> None:
    home.registration(dataset)
    for stage in stages:
        if stage not in STAGES:
            raise SettingsError(f"{stage[:80]!r} is no stage that is made in parts; {one_of(stage, STAGES)}")
