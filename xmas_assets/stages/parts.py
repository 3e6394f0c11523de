"""One part of a stage's shards, made next to other parts by other processes."""

import re
from collections.abc import Sequence
from contextlib import ExitStack

from xmas_assets.contracts.artifacts import SelectionKey, parse_partition
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import one_of
from xmas_assets.home.home import Home
from xmas_assets.scale.engines import PartDoneError, PartEngine
from xmas_assets.stages.asking import Target
from xmas_assets.stages.requirements import check_questions
from xmas_assets.stages.row_work import STAGES, Listen, stored_work
from xmas_assets.stages.scores import ask_part

ANSWERED = "benchmark_scores"
"""The stage whose shards are answers of targets, those of each selection apart."""
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
    """The dataset's assets that the shards of some stages are read from, each once; raises as ``make_part``."""
    _check(home, dataset, stages)
    return list(dict.fromkeys(asset for stage in stages if stage != ANSWERED for asset in STAGES[stage]))


def keys_of(
    home: Home, dataset: str, stages: Sequence[str], selections: Sequence[str], *, made: str
) -> list[SelectionKey]:
    """The selections whose targets are asked; none if no stage asks any.

    Args:
        home: The platform's folder.
        dataset: Whose selections.
        stages: What is made.
        selections: Selection keys; none for all that there are.
        made: Asset that says which there are.

    Raises:
        SettingsError: If there is no such key, or no stage that takes one; or no selection at all.
        DatasetError: If there is nothing to ask.
    """
    _check(home, dataset, stages)
    if ANSWERED not in stages:
        if selections:
            raise SettingsError(f"--selection is for {ANSWERED} alone; leave it out: other stages are of all rows")
        return []
    check_questions(home, dataset)
    keys = [SelectionKey.read(text) for text in selections]
    keys = keys or [parse_partition(each)[1] for each in home.stored_partitions(made, dataset)]
    if not keys:
        raise SettingsError(
            f"{dataset!r} has no selection yet; name those whose targets are asked, such as --selection random_b0.20_s0"
        )
    return list(dict.fromkeys(keys))


def make_part(
    home: Home,
    dataset: str,
    stages: Sequence[str],
    part: PartEngine,
    *,
    listen: Listen,
    selections: Sequence[str] = (),
) -> list[str]:
    """Make the part's shards of some stages from what is stored.

    Args:
        home: The platform's folder, the same for all parts.
        dataset: Whose rows.
        stages: Out of ``STAGES`` and ``ANSWERED``; several signals of the forward pass are read together.
        part: Which shards.
        listen: Gives a progress for work of a name.
        selections: Of ``ANSWERED``, keys of the selections whose targets are asked; none for all that are trained.

    Returns:
        What was done, a line for each piece of work.

    Raises:
        SettingsError: If there is no such dataset or stage.
        StoreError: If an input was not made yet, or shards of other inputs lie there.
    """
    keys = keys_of(home, dataset, stages, selections, made="target_model")
    said = []
    with home.using(dataset), home.publishing():
        for work in stored_work(home, dataset, [stage for stage in dict.fromkeys(stages) if stage != ANSWERED]):
            with ExitStack() as held:
                for stage in sorted(work.shares):
                    held.enter_context(home.locks.part(stage, dataset))
                try:
                    work.make(part, listen)
                    done = "all shards are there; 'xmas run' goes on from them"
                except PartDoneError as left:
                    done = str(left)
            said.append(f"{', '.join(work.shares)} of {dataset}: {done}")
        for key in keys:
            raw, base = home.stored("raw_dataset", dataset), home.stored("target_base", dataset)
            trained = home.stored("target_model", f"{dataset}|{key}")
            target = Target.stored(trained, base, home.settings(dataset).target_base, root=home.path())
            asked = ask_part(home, dataset, raw, target=target, progress_of=listen, part=part)
            said += [f"{key} of {dataset}, questions of {name}: {done}" for name, done in asked]
    return said


def _check(home: Home, dataset: str, stages: Sequence[str]) -> None:
    home.registration(dataset)
    for stage in stages:
        if stage not in (known := [*STAGES, ANSWERED]):
            raise SettingsError(f"{stage[:80]!r} is no stage that is made in parts; {one_of(stage, known)}")
