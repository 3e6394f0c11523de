"""How long a stage's work takes: along a line that was measured, or by its operations on cards. Arithmetic only."""

from typing import NamedTuple

from xmas_assets.contracts.calibration import Card, Line, StageRate
from xmas_assets.scale.fleet import Fleet
from xmas_assets.scale.stage_work import StageWork

Hours = tuple[float, float]
"""Least and most."""
_HOUR = 3600
_NONE: Hours = (0.0, 0.0)


class Estimate(NamedTuple):
    """What a stage takes, once; None is not known.

    Attributes:
        cpu_hours: Of processors.
        gpu_hours: Of cards, all of them counted while they are at work.
        clock_hours: On the clock.
        disk_bytes: What it leaves on disk.
        memory_gib: The most memory that it holds at once.
        by: Where the hours come from, or which share of a card's peak they take; empty where they are not known.
    """

    cpu_hours: float | None = None
    gpu_hours: Hours | None = None
    clock_hours: Hours | None = None
    disk_bytes: float | None = None
    memory_gib: float | None = None
    by: str = ""


def at(line: Line | None, units: float | None) -> float | None:
    """The value of a line, if it is known; without units only where all of it is fixed."""
    if line is None or (units is None and line[1]):
        return None
    return line[0] + line[1] * (units or 0)


def estimate_here(work: StageWork, rate: StageRate | None, *, by: str) -> Estimate:
    """What work takes on the machine that its rate was measured on; ``by`` says where the rate is from."""
    if rate is None:
        return Estimate()
    cpu, clock = (at(line, work.units) for line in (rate.cpu_seconds, rate.clock_seconds))
    clock_hours = None if clock is None else (clock / _HOUR, clock / _HOUR)
    return Estimate(
        cpu_hours=None if cpu is None else cpu / _HOUR,
        gpu_hours=_NONE if rate.device == "cpu" else clock_hours,
        clock_hours=clock_hours,
        disk_bytes=at(rate.disk_bytes, work.units),
        memory_gib=rate.memory_gib,
        by=by if cpu is not None or clock is not None else "",
    )


def estimate_on(
    fleet: Fleet, work: StageWork, rate: StageRate | None, *, by: str, measured_on: Card | None = None
) -> Estimate:
    """What work takes on cards: by its operations where models run, as it was measured where none does.

    Work in shards is shared by all cards, other work by as many as it can use; both as if nothing were lost by that.

    Args:
        fleet: The cards.
        work: The stage's.
        rate: What the stage was seen to take, on any machine.
        by: Where the rate is from.
        measured_on: The card that the rate was measured on, if it is known: the share of its peak that was reached
            there is expected here, too.
    """
    if work.kind == "host":
        return estimate_here(work, rate, by=by)
    disk = at(rate.disk_bytes, work.units) if rate else None
    memory = rate.memory_gib if rate else None
    if work.operations is None:
        return Estimate(disk_bytes=disk, memory_gib=memory)
    least, most = fleet.shares[work.kind]
    by = f"{'stated' if work.kind in fleet.stated else 'assumed'} {100 * least:.2g}-{100 * most:.2g}%"
    reached = None if measured_on is None else _share_reached(work, rate, measured_on)
    if reached is not None:
        least = most = reached
        by = f"measured {100 * reached:.2g}%"
    on_one = work.operations / (fleet.card.teraflops * 1e12) / _HOUR
    gpu_hours = (on_one / most, on_one / least)
    n_cards = fleet.n_cards if work.most_cards is None else min(work.most_cards, fleet.n_cards)
    return Estimate(
        gpu_hours=gpu_hours,
        clock_hours=(gpu_hours[0] / n_cards, gpu_hours[1] / n_cards),
        disk_bytes=disk,
        memory_gib=memory,
        by=by,
    )


def _share_reached(work: StageWork, rate: StageRate | None, card: Card) -> float | None:
    """Share of a card's peak that work was seen to reach there; None if it was not seen there."""
    if rate is None or rate.device != "gpu" or rate.clock_seconds is None or not rate.clock_seconds[1]:
        return None
    if not work.units or not work.operations:
        return None
    return min(1.0, work.operations / work.units / (rate.clock_seconds[1] * card.teraflops * 1e12))


def repeated(estimate: Estimate, times: int) -> Estimate:
    """What a stage takes several times, one after the other."""

    def all_of(hours: Hours | None) -> Hours | None:
        return None if hours is None else (times * hours[0], times * hours[1])

    return estimate._replace(
        cpu_hours=None if estimate.cpu_hours is None else times * estimate.cpu_hours,
        gpu_hours=all_of(estimate.gpu_hours),
        clock_hours=all_of(estimate.clock_hours),
        disk_bytes=None if estimate.disk_bytes is None else times * estimate.disk_bytes,
    )
