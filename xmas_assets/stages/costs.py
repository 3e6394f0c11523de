"""What selections cost from the first signal to the last score, as it was noted when the work was done."""

from collections.abc import Iterable

import polars as pl

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.contracts.signals import stages_behind
from xmas_assets.contracts.usage import Usage
from xmas_assets.evaluation.cost_tables import break_even, cost_table
from xmas_assets.home.home import Home
from xmas_assets.selection.registry import METHODS
from xmas_assets.stages.prepared import PREPARED, partition_of

COSTS = ("costs", "break_even")
"""Tables of costs: those of ``evaluation.cost_tables``."""
_SCHEMA = {"method": pl.String, "budget": pl.String, "seed": pl.Int64, "stage": pl.String}
_SCHEMA |= {"cpu_hours": pl.Float64, "gpu_hours": pl.Float64}


def cost_tables(hours: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables named in ``COSTS`` from ``selection_hours``."""
    table = cost_table(hours)
    return dict(zip(COSTS, (table, break_even(table)), strict=True))


def selection_hours(home: Home, partitions: Iterable[str]) -> pl.DataFrame:
    """Hours of each selection by stage, as ``evaluation.cost_tables.cost_table`` takes them.

    ``select`` is everything that the subset needs: the proxy, signals, clusters, preparation and choice. What several
    methods or budgets share counts in full for each.

    Args:
        home: The platform's folder.
        partitions: Partition keys of selections.

    Raises:
        StoreError: If a note of a cost is damaged.
    """
    rows = []
    for partition in sorted(partitions):
        _, key = parse_partition(partition)
        of_stage = {
            "select": _of_selecting(home, partition),
            "train": home.costs.of(partition, "target_model"),
            "score": home.costs.of(partition, "benchmark_scores"),
        }
        for stage, usage in of_stage.items():
            if usage is not None:
                gpu = None if usage.gpu_seconds is None else usage.gpu_seconds / 3600
                rows.append((key.method, key.budget_text, key.seed, stage, usage.cpu_seconds / 3600, gpu))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _of_selecting(home: Home, partition: str) -> Usage | None:
    dataset, key = parse_partition(partition)
    needs = METHODS[key.method].needs if key.method in METHODS else frozenset()  # one that is no more
    parts = (
        home.costs.of(dataset, *stages_behind(needs)),
        home.costs.of(partition_of(dataset, key.method), PREPARED),
        home.costs.of(partition, "selected_subset"),
    )
    known = [part for part in parts if part is not None]
    return sum(known, start=Usage()) if known else None
