"""Where a dataset stands: what is made, running and stale, and why; what to run next; what it took so far."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from xmas_assets.contracts.artifacts import SelectionKey, parse_partition
from xmas_assets.contracts.usage import Usage
from xmas_assets.orchestration.freshness import FRESH, MISSING, STALE, Freshness
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.process_claims import live_runs
from xmas_assets.selection.registry import METHODS, assets_read


@dataclass(frozen=True)
class AssetState:
    """How many of an asset's partitions are up to date.

    Attributes:
        asset: Its name.
        fresh: Partitions that are up to date.
        stale: Those that are not.
        missing: Those that were not made; of the selections that there are.
        wanted: Whether a selection that there is depends on it.
        why: Why some are stale, the most frequent reason; empty if none is.
    """

    asset: str
    fresh: int
    stale: int
    missing: int
    wanted: bool
    why: str


@dataclass(frozen=True)
class DatasetStatus:
    """Where a dataset stands.

    Attributes:
        dataset: Its name.
        rows: How many were read; None if it was not read yet.
        selections: How many there are.
        assets: Every asset, in topological order.
        running: What is being made now.
        next: Commands that bring everything up to date; empty if it is.
        usage: What all of it took so far.
    """

    dataset: str
    rows: int | None
    selections: int
    assets: list[AssetState]
    running: list[str]
    next: list[str]
    usage: Usage


def dataset_status(platform: Platform, dataset: str) -> DatasetStatus:
    """Look at a dataset as it is now; nothing is made."""
    platform.observe(dataset)
    home, freshness = platform.home, platform.freshness()
    partitions = home.stored_partitions("selected_subset", dataset)
    keys = [parse_partition(partition)[1] for partition in partitions]
    methods = sorted({key.method for key in keys} & METHODS.keys())
    trained = [key for key in keys if home.is_stored("target_model", f"{dataset}|{key}")]
    made = ("selected_subset", *(("target_model", "benchmark_scores", "leaderboard") if trained else ()))
    read = {*(("target_base",) if trained else ()), *assets_read(methods)}
    wanted = {*platform.links.behind(read), *made} if keys else set()
    states = [
        _asset_state(
            freshness,
            asset,
            partitions if asset in platform.links.by_selection else [dataset],
            is_wanted=asset in wanted,
        )
        for asset in platform.links.parents
    ]
    is_done = all(state.stale == state.missing == 0 for state in states if state.wanted)
    return DatasetStatus(
        dataset,
        rows=home.stored("raw_dataset", dataset)["samples"].n_rows if home.is_stored("raw_dataset", dataset) else None,
        selections=len(keys),
        assets=states,
        running=_running(platform, dataset),
        next=[] if keys and is_done else _commands(dataset, keys, trained=bool(trained)),
        usage=home.costs.total(dataset),
    )


def _asset_state(freshness: Freshness, asset: str, partitions: Sequence[str], *, is_wanted: bool) -> AssetState:
    states = freshness.states([asset], partitions)[asset]
    counts = Counter(states.values())
    stale = [partition for partition in partitions if states[partition] == STALE]
    reasons = Counter(freshness.why_stale(asset, partition) or "" for partition in stale)
    why = reasons.most_common(1)[0][0] if reasons else ""
    return AssetState(asset, counts[FRESH], counts[STALE], counts[MISSING], is_wanted, why)


def _running(platform: Platform, dataset: str) -> list[str]:
    """What is being made of a dataset, in a few words per run, the latest first."""
    found = []
    for run in live_runs(platform.instance, platform.home.locks.folder):
        tags = {name.rpartition("/")[2]: value for name, value in run.tags.items() if "partition" in name}
        if dataset in (tags.get("dataset"), tags.get("partition")):
            assets = ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ())) or run.job_name
            found.append(f"{assets} of {tags['selection']}" if "selection" in tags else assets)
    return found


def _commands(dataset: str, keys: Sequence[SelectionKey], *, trained: bool) -> list[str]:
    """Commands that bring these selections up to date, and make no others."""
    if not keys:
        return [f"xmas run {dataset} --method xmas --method random --method full --budget 0.2 --seeds 3"]
    seeds: dict[tuple[str, str], int] = {}
    for key in sorted(keys):
        place = (key.method, key.budget_text)
        seeds[place] = max(seeds.get(place, 0), key.seed + 1)
    budgets: dict[tuple[str, int], list[str]] = {}
    for (method, budget), n_seeds in seeds.items():
        budgets.setdefault((method, n_seeds), []).append(budget)
    methods: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for (method, n_seeds), own in budgets.items():
        methods.setdefault((tuple(own), n_seeds), []).append(method)
    return [
        " ".join(
            (
                f"xmas {'run' if trained else 'select'} {dataset}",
                *(f"--method {method}" for method in together),
                *(f"--budget {budget}" for budget in own if together != ["full"]),
                *((f"--seeds {n_seeds}",) if n_seeds > 1 else ()),
            )
        )
        for (own, n_seeds), together in methods.items()
    ]
