"""What selections would take from nothing to their scores, on this machine or on others, and from where they pay."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import polars as pl

from xmas_assets.contracts.artifacts import SelectionKey, budget_count
from xmas_assets.contracts.calibration import Kind
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.signals import READ_IN_ONE_PASS, stages_behind
from xmas_assets.evaluation.cost_tables import break_even, cost_table
from xmas_assets.scale.estimates import Estimate, Hours, estimate_here, estimate_on, repeated
from xmas_assets.scale.fleet import Fleet
from xmas_assets.scale.stage_work import Job, stage_work
from xmas_assets.selection.registry import METHODS
from xmas_assets.stages.prepared import PREPARED
from xmas_assets.stages.rates import STAGES, Rates


class PlannedStage(NamedTuple):
    """Stages that are made together, and what they take in all.

    Attributes:
        names: The assets.
        times: How often they are made.
        kind: What work it is.
        all: What it takes, all times together.
    """

    names: tuple[str, ...]
    times: int
    kind: Kind
    all: Estimate


class Total(NamedTuple):
    """A sum over all stages of which it is known, between its least and its most."""

    what: str
    least: float
    most: float
    unit: str


class Verdict(NamedTuple):
    """Whether a method pays for itself: selecting and training on the subset against training on everything.

    Attributes:
        method: The method.
        budget: Share of the rows.
        hours: Least and most that selecting and training take, of the device; None is not known.
        full_hours: Of training on everything.
        up_to: Least and most of the largest budget that takes no more than that; None is not known.
        device: Whose hours are compared.
    """

    method: str
    budget: str
    hours: Hours | None
    full_hours: Hours | None
    up_to: Hours | None
    device: str


@dataclass(frozen=True)
class Planner:
    """Computes what selections of one dataset take."""

    rates: Rates
    job: Job
    fleet: Fleet | None

    @classmethod
    def of(cls, rates: Rates, fleet: Fleet | None, *, n_rows: int | None = None) -> "Planner":
        """A planner for a dataset as it is, or as if it had ``n_rows`` rows.

        Raises:
            SettingsError: If it is not known how many rows there are.
        """
        job = rates.job(n_rows)
        if job is None:
            raise SettingsError(
                f"{rates.dataset} was not read yet, so its rows are not known; add --rows and how many, or run: "
                f"xmas calibrate {rates.dataset} --method xmas"
            )
        return cls(rates, job, fleet)

    def stages(self, keys: Sequence[SelectionKey]) -> list[PlannedStage]:
        """What is made for these selections if nothing is there yet, in its order; what they share is made once."""
        methods = list(dict.fromkeys(key.method for key in keys))
        needed = set().union(*(_behind(method) for method in methods))
        models = ("base_model", "target_base") if needed else ("target_base",)
        planned = [self._once(names) for names in _passes(["raw_dataset", *models, *sorted(needed, key=_place)])]
        planned += [self._once((f"{PREPARED}:{method}",)) for method in methods if _behind(method)]
        for method in methods:
            n_keys = sum(key.method == method for key in keys)
            planned.append(self._times(f"selected_subset:{method}", [0] * n_keys))
        selected = [budget_count(key.budget, self.job.n_rows) for key in keys]
        planned.append(self._times("target_model", selected))
        if self.job.n_questions != 0:
            planned.append(self._times("benchmark_scores", selected))
        return planned

    def totals(self, planned: Sequence[PlannedStage], *, price: float | None) -> list[Total]:
        """Hours, disk, memory and money; a stage of which something is not known is left out there.

        Args:
            planned: The stages.
            price: Of an hour on the clock; None leaves money out.
        """
        of = [stage.all for stage in planned]
        clock = _sum(estimate.clock_hours for estimate in of)
        gpu = _sum(estimate.gpu_hours for estimate in of)
        cpu = _sum(_twice(estimate.cpu_hours) for estimate in of)
        disk = _sum(_twice(estimate.disk_bytes) for estimate in of)
        memory = max((estimate.memory_gib for estimate in of if estimate.memory_gib is not None), default=None)
        known = "" if all(estimate.disk_bytes is not None for estimate in of) else ", of what is known"
        totals = [Total("clock", *clock, "hours")] if clock else []
        totals += [Total("GPU", *gpu, "card hours")] if gpu else []
        totals += [Total("CPU", *cpu, "hours" if self.fleet is None else "hours, models apart")] if cpu else []
        totals += [Total("disk", disk[0] / 1e9, disk[1] / 1e9, f"GB{known}")] if disk else []
        cached = self.job.settings.base_model.feature_cache_gb
        totals += [Total("features of images", 0, cached, "GB, as set")] if cached else []
        totals += [Total("memory", memory, memory, "GiB of a training")] if memory is not None else []
        if price is not None and clock:
            totals.append(Total("money", price * clock[0], price * clock[1], f"at {price:g} an hour"))
        return totals

    def verdicts(self, keys: Sequence[SelectionKey]) -> list[Verdict]:
        """Whether each method pays, at each of its budgets; what methods share counts in full for each."""
        full = self._estimate("target_model", self.job.n_rows)
        device = "gpu" if full.gpu_hours is None or full.gpu_hours[1] else "cpu"
        budgets = {(key.method, key.budget_text): key for key in keys if key.method != "full"}
        return [self._verdict(key, device) for key in budgets.values()]

    def _verdict(self, key: SelectionKey, device: str) -> Verdict:
        selecting = self._selecting(key.method)
        n_rows = self.job.n_rows
        trainings = [self._estimate("target_model", n) for n in (1, budget_count(key.budget, n_rows), n_rows)]
        totals, fulls, crossings = [], [], []
        for reading, training in product((0, 1), repeat=2):
            end = {"host": 0, "reading": reading, "training": training, "answering": training}
            parts = [_hours(stage.all, device, end[stage.kind]) for stage in selecting]
            smallest, train, full = (_hours(estimate, device, training) for estimate in trainings)
            fulls.append(full)
            if None in parts or smallest is None or train is None or full is None:
                continue
            select = sum(part for part in parts if part is not None)
            totals.append(select + train)
            points = {f"{1 / n_rows:.12f}": smallest, key.budget_text: train}
            crossings.append(_crossing(key.method, select, points, full=full))
        return Verdict(key.method, key.budget_text, _ends(totals), _ends(fulls), _ends(crossings), device)

    def _selecting(self, method: str) -> list[PlannedStage]:
        """All that a subset of a method needs."""
        stages = sorted(_behind(method), key=_place)
        planned = [self._once(names) for names in _passes(stages)]
        return [*planned, *(self._once((f"{PREPARED}:{method}",)) for _ in stages[:1]),
                self._once((f"selected_subset:{method}",))]  # fmt: skip

    def _once(self, names: tuple[str, ...]) -> PlannedStage:
        """What is made once; of assets that one pass makes, what the longest of them takes."""
        estimates = [self._estimate(name) for name in names]
        known = [estimate for estimate in estimates if estimate.by]
        longest = max(known, key=_length) if len(known) == len(names) else Estimate()
        disk = [estimate.disk_bytes for estimate in estimates]
        whole = None if None in disk else sum(part for part in disk if part is not None)
        return PlannedStage(names, 1, stage_work(names[0], self.job).kind, longest._replace(disk_bytes=whole))

    def _times(self, name: str, selected: Sequence[int]) -> PlannedStage:
        """What is made of each selection; with as many rows in each as in their mean."""
        mean = sum(selected) / len(selected)
        estimate = self._estimate(name, mean)
        return PlannedStage((name,), len(selected), stage_work(name, self.job).kind, repeated(estimate, len(selected)))

    def _estimate(self, name: str, n_selected: float = 0) -> Estimate:
        work = stage_work(name, self.job, n_selected=n_selected)
        rate, by = self.rates.of(name)
        if self.fleet is None:
            return estimate_here(work, rate, by=by)
        calibration = self.rates.calibration
        measured_on = calibration.cards.get(calibration.measured_on or "")
        return estimate_on(self.fleet, work, rate, by=by, measured_on=measured_on)


def _behind(method: str) -> set[str]:
    return stages_behind(METHODS[method].needs) - {"raw_dataset", "base_model", "target_base"}


def _place(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def _passes(stages: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """The stages in their order, those of one pass over the data together."""
    together = tuple(stage for stage in stages if stage in READ_IN_ONE_PASS)
    return (together if stage in together else (stage,) for stage in stages if stage not in together[1:])


def _length(estimate: Estimate) -> float:
    return estimate.clock_hours[1] if estimate.clock_hours else estimate.cpu_hours or 0.0


def _hours(estimate: Estimate, device: str, end: int) -> float | None:
    """Hours of a device at one end of the range."""
    if device == "cpu":
        return estimate.cpu_hours
    return None if estimate.gpu_hours is None else estimate.gpu_hours[end]


def _twice(value: float | None) -> Hours | None:
    return None if value is None else (value, value)


def _sum(ranges: Iterable[Hours | None]) -> Hours | None:
    """The sum of those that are known; None if none is."""
    known = [ends for ends in ranges if ends is not None]
    return (sum(least for least, _ in known), sum(most for _, most in known)) if known else None


def _ends(values: Iterable[float | None]) -> Hours | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None


def _crossing(method: str, select: float, train: Mapping[str, float], *, full: float) -> float | None:
    """The largest budget at which selecting and training take no more hours than training on everything."""
    rows = [("full", "1", "train", full)]
    for budget, hours in train.items():
        rows += [(method, budget, "select", select), (method, budget, "train", hours)]
    frame = pl.DataFrame(rows, schema=["method", "budget", "stage", "cpu_hours"], orient="row")
    table = cost_table(frame.with_columns(pl.lit(0).alias("seed"), pl.lit(None, pl.Float64).alias("gpu_hours")))
    (crossing,) = break_even(table)["budget"]
    return crossing
