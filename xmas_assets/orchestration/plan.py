"""What a run would make, and how long each step takes by what the same step took before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from xmas_assets.contracts.artifacts import SelectionKey, budget_count
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.selection_runs import SELECTION_STAGES, TRAINED
from xmas_assets.scale.estimates import at
from xmas_assets.scale.stage_work import Job, stage_work
from xmas_assets.selection.registry import assets_read
from xmas_assets.stages.rates import Rates
from xmas_assets.stages.requirements import check_requirements, check_trainings


@dataclass(frozen=True)
class Step:
    """An asset that a run makes, of a dataset or of several of its selections.

    Attributes:
        asset: Its name.
        count: How many partitions of it.
        seconds: How long that takes on the clock, one after the other; None where it was never measured.
        measured: What the time is taken from; empty where there is none.
    """

    asset: str
    count: int
    seconds: float | None
    measured: str


def plan_selections(
    platform: Platform, dataset: str, keys: Sequence[SelectionKey], *, stages: Sequence[str] = SELECTION_STAGES
) -> list[Step]:
    """The steps of ``run_selections``, in their order. Nothing is made.

    A step that follows another one counts, although it is left out where the other comes out as before.

    Raises:
        XmasError: If a method needs what nobody has provided.
    """
    methods = sorted({key.method for key in keys})
    check_requirements(platform.home, dataset, methods)
    platform.observe(dataset)
    first = platform.links.read_first(methods, trains=bool(TRAINED & set(stages)))
    behind = platform.links.behind({*first, *assets_read(methods)})
    stale = platform.stale(behind, dataset)
    partitions = [f"{dataset}|{key}" for key in keys]
    of_selections = platform.freshness().stale_by_partition(stages, partitions)
    targets = {asset for assets in of_selections.values() for asset in assets}
    check_trainings(platform.home, dataset, {*stale, *targets})
    counts: Counter[str] = Counter()
    for key, partition in zip(keys, partitions, strict=True):
        is_read = not set(stale).isdisjoint(platform.links.behind(assets_read([key.method])))
        counts.update(stages if is_read else of_selections[partition])
    rates = Rates.open(platform.home, dataset)
    steps = [Step(asset, 1, *_of_dataset(rates, asset)) for asset in stale]
    todo = [key for key, partition in zip(keys, partitions, strict=True) if of_selections[partition]] or keys
    for stage in stages:
        if counts[stage]:
            seconds, measured = _of_selections(rates, stage, todo)
            each = None if seconds is None else seconds / len(todo) * counts[stage]
            steps.append(Step(stage, counts[stage], each, measured))
    return steps


def _of_dataset(rates: Rates, asset: str) -> tuple[float | None, str]:
    """Seconds that an asset takes of this dataset."""
    return _seconds(rates, asset, rates.job(), n_selected=0)


def _of_selections(rates: Rates, stage: str, keys: Sequence[SelectionKey]) -> tuple[float | None, str]:
    """Seconds that a stage takes of these selections together."""
    job = rates.job()
    each = [_seconds(rates, f"{stage}:{key.method}", job, n_selected=_rows(key, job)) for key in keys]
    known = [seconds for seconds, _ in each if seconds is not None]
    return (sum(known), each[0][1]) if len(known) == len(each) else (None, "")


def _seconds(rates: Rates, stage: str, job: Job | None, *, n_selected: int) -> tuple[float | None, str]:
    rate, measured = rates.of(stage)
    if rate is None or job is None:
        return None, ""
    seconds = at(rate.clock_seconds, stage_work(stage, job, n_selected=n_selected).units)
    return seconds, "" if seconds is None else measured


def _rows(key: SelectionKey, job: Job | None) -> int:
    return 0 if job is None else budget_count(key.budget, job.n_rows)
