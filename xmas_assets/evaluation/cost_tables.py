"""What methods cost end to end, against training on everything, and up to which budget selection pays."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

STAGES = ("select", "train", "score")
DEVICES = ("cpu", "gpu")


def cost_table(costs: pl.DataFrame) -> pl.DataFrame:
    """Hours per method and budget, by stage and in all.

    Args:
        costs: One row per ``method``, ``budget`` (decimal string), ``seed`` and ``stage`` (of ``STAGES``), with
            ``cpu_hours`` and ``gpu_hours``, 0 where a device was not used, null where that is not known.
            ``select`` is everything that the subset needs: proxy, signals, preparation and choice.

    Returns:
        By budget and method: ``<stage>_<device>_hours`` and ``total_<device>_hours``, means over seeds, null where a
        stage was not measured; ``of_full_<device>``, the total as a share of that of ``full`` (null without it, or
        where it used none).
    """
    hours = [
        pl.col(f"{device}_hours").filter(stage=stage).mean().alias(f"{stage}_{device}_hours")
        for stage in STAGES
        for device in DEVICES
    ]
    table = costs.sort("seed", maintain_order=True).group_by("method", "budget", maintain_order=True).agg(hours)
    table = table.with_columns(
        pl.when(pl.any_horizontal(pl.col(f"{stage}_{device}_hours").is_not_null() for stage in STAGES))
        .then(pl.sum_horizontal(f"{stage}_{device}_hours" for stage in STAGES))
        .alias(f"total_{device}_hours")
        for device in DEVICES
    )
    full = {device: _full_hours(table, device) for device in DEVICES}
    shares = [
        (pl.col(f"total_{device}_hours") / of_full if of_full else pl.lit(None, pl.Float64)).alias(f"of_full_{device}")
        for device, of_full in full.items()
    ]
    return table.with_columns(shares).sort(pl.col("budget").cast(pl.Float64), "method", maintain_order=True)


def break_even(table: pl.DataFrame) -> pl.DataFrame:
    """Up to which budget a method costs no more than training on everything.

    Args:
        table: From ``cost_table``.

    Returns:
        By method: ``device`` (``gpu`` if training on everything used one, else ``cpu``) and ``budget``, a share of the
        data: linear between the budgets that were measured, and from the largest to all of the data, which costs as
        much as ``full`` plus the selection. 0 where even the smallest budget costs more; null without ``full``.
    """
    device = "gpu" if _full_hours(table, "gpu") else "cpu"
    full = _full_hours(table, device)
    rows = [
        (method, device, None if full is None else _crossing(rows.iter_rows(named=True), device, full=full))
        for (method,), rows in table.sort("method", pl.col("budget").cast(pl.Float64), maintain_order=True).group_by(
            ["method"], maintain_order=True
        )
        if method != "full"
    ]
    return pl.DataFrame(rows, schema={"method": pl.String, "device": pl.String, "budget": pl.Float64}, orient="row")


def _crossing(rows: Iterable[Mapping[str, Any]], device: str, *, full: float) -> float | None:
    """The largest budget at which the line through the totals is at ``full`` hours or below; None without totals."""
    select = 0.0
    points: list[tuple[float, float]] = []
    for row in rows:
        select = row[f"select_{device}_hours"] or 0.0
        if row[f"total_{device}_hours"] is not None:
            points.append((float(row["budget"]), row[f"total_{device}_hours"]))
    if not points:
        return None
    if points[-1][0] < 1:
        points.append((1.0, full + select))
    if points[-1][1] <= full:
        return points[-1][0]
    for (budget, hours), (next_budget, next_hours) in reversed(list(zip(points, points[1:], strict=False))):
        if hours <= full:
            return budget + (full - hours) / (next_hours - hours) * (next_budget - budget)
    return 0.0


def _full_hours(table: pl.DataFrame, device: str) -> float | None:
    totals = table.filter(method="full")[f"total_{device}_hours"]
    return float(totals[0]) if len(totals) and totals[0] is not None else None
