"""What a run would make, and how long each step takes by what the same step took before."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from xmas_assets.contracts.artifacts import SelectionKey, budget_count, parse_partition
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.selection_runs import ALWAYS, SELECTION_STAGES
from xmas_assets.selection.registry import assets_read
from xmas_assets.stages.requirements import check_requirements
from xmas_assets.stages.subsets import selectable_rows


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
    check_requirements(platform.home, dataset, sorted({key.method for key in keys}))
    platform.observe(dataset)
    always = ALWAYS | ({"target_base"} if "target_model" in stages else set())
    behind = platform.links.behind({*always, *assets_read(key.method for key in keys)})
    stale = platform.stale(behind, dataset)
    partitions = [f"{dataset}|{key}" for key in keys]
    of_selections = platform.freshness().stale_by_partition(stages, partitions)
    counts: Counter[str] = Counter()
    for key, partition in zip(keys, partitions, strict=True):
        is_read = not set(stale).isdisjoint(platform.links.behind(assets_read([key.method])))
        counts.update(stages if is_read else of_selections[partition])
    steps = [Step(asset, 1, *_of_dataset(platform.home, dataset, asset)) for asset in stale]
    todo = [key for key, partition in zip(keys, partitions, strict=True) if of_selections[partition]] or keys
    for stage in stages:
        if counts[stage]:
            seconds, measured = _of_selections(platform.home, dataset, stage, todo)
            each = None if seconds is None else seconds / len(todo) * counts[stage]
            steps.append(Step(stage, counts[stage], each, measured))
    return steps


def _of_dataset(home: Home, dataset: str, asset: str) -> tuple[float | None, str]:
    """Seconds that an asset took of this dataset; else of another with the same model, by its rows."""
    usage = home.costs.of(dataset, asset)
    if usage is not None and usage.wall_seconds is not None:
        return usage.wall_seconds, "this dataset"
    rows = _rows(home, dataset)
    for other in _alike(home, dataset):
        usage, others = home.costs.of(other, asset), _rows(home, other)
        if rows and others and usage is not None and usage.wall_seconds is not None:
            return usage.wall_seconds / others * rows, f"{other}, by its rows"
    return None, ""


def _of_selections(home: Home, dataset: str, stage: str, keys: Sequence[SelectionKey]) -> tuple[float | None, str]:
    """Seconds that a stage takes of these selections: per row that is trained on, per selection otherwise."""
    for source in (dataset, *_alike(home, dataset)):
        per_unit = [
            usage.wall_seconds / _units(home, source, stage, key)
            for key in _selections(home, source)
            if (usage := home.costs.of(f"{source}|{key}", stage)) is not None and usage.wall_seconds is not None
        ]
        if per_unit and (stage != "target_model" or _rows(home, dataset)):
            total = sum(_units(home, dataset, stage, key) for key in keys)
            return median(per_unit) * total, "this dataset" if source == dataset else source
    return None, ""


def _units(home: Home, dataset: str, stage: str, key: SelectionKey) -> int:
    return budget_count(key.budget, _rows(home, dataset) or 1) if stage == "target_model" else 1


def _selections(home: Home, dataset: str) -> Iterable[SelectionKey]:
    return (parse_partition(partition)[1] for partition in home.stored_partitions("selected_subset", dataset))


def _alike(home: Home, dataset: str) -> list[str]:
    """Other datasets that are run with the same model."""
    model = home.settings(dataset).base_model
    return [name for name in home.datasets() if name != dataset and home.settings(name).base_model == model]


def _rows(home: Home, dataset: str) -> int | None:
    """Rows of a dataset that can be selected; None if it was not read yet."""
    return selectable_rows(home, dataset) if home.is_stored("raw_dataset", dataset) else None
