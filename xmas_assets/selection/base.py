"""What every selection method shares: the checks before and after the choice. The choice is the method's own."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from xmas_assets.contracts.artifacts import budget_count
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.contracts.signals import SIGNALS, requirement_of
from xmas_assets.core.arrays import IntArray
from xmas_assets.core.stand_ins import stand_ins
from xmas_assets.selection.reasons import Reasons, Standing
from xmas_assets.selection.signal_arrays import ID_ORDER, Array, OrderedSignals, id_order
from xmas_assets.selection.signal_values import lacking

Cost = Literal["none", "text", "forward", "proxy", "gradient", "external"]
NO_ROWS: IntArray = np.zeros(0, dtype=np.int64)
_UNREAD = "rows that could not be read"


@dataclass(frozen=True)
class _Reading:
    """What a method reads to choose: positions are those in ``sample_id`` order.

    Attributes:
        order: Row of the dataset at each position.
        read: Positions of the rows that could be read.
        unread: Positions of the others.
        signals: Of the rows that could be read.
        count: Rows to choose, of all.
    """

    order: IntArray
    read: IntArray
    unread: IntArray
    signals: OrderedSignals
    count: int


class Method(BaseModel):
    """A way to choose rows; its fields are its hyperparameters.

    Attributes:
        name: Name in the registry and in selection keys.
        paper: Where it comes from.
        needs: Signals it reads (``xmas_assets.contracts.signals.SIGNALS``), besides ``sample_ids``.
        cost: The most expensive thing it needs once per dataset: nothing; the text alone; forward passes of the base
            model; training a proxy (and forward passes of it); a backward pass per row; an external service.
        nested: With one seed, a smaller budget's rows lie inside a larger one's.
        score_name: What the score is that ``explain`` gives of a row; "" where the method judges rows by no number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: ClassVar[str]
    paper: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    cost: ClassVar[Cost]
    nested: ClassVar[bool]
    score_name: ClassVar[str] = ""

    def prepare(self, signals: Mapping[str, Array], *, excluded: IntArray = NO_ROWS) -> dict[str, Array]:
        """Compute what depends on neither budget nor seed, to be stored and given to every ``select``.

        Args:
            signals: Arrays by name, aligned with the dataset's rows, with ``sample_ids`` among them.
            excluded: Rows that are treated as if the dataset did not have them, unique.

        Returns:
            ``id_order`` (the rows in ascending order of their ``sample_id``, shape (n_samples,), without excluded
            ones) and the method's own arrays by name, which are the same for any order of the rows.

        Raises:
            SelectionError: If a signal is missing, of the wrong length, or holds NaN or infinity.
        """
        order = _order(signals, excluded)
        return {ID_ORDER: order, **self._prepare_read(signals, order, dataset_rows=len(order) + len(excluded))}

    def select(
        self,
        signals: Mapping[str, Array],
        budget: Decimal | float | int,
        seed: int,
        *,
        prepared: Mapping[str, Array] | None = None,
        excluded: IntArray = NO_ROWS,
    ) -> IntArray:
        """Choose rows.

        Args:
            signals: Arrays by name, aligned with the dataset's rows, with ``sample_ids`` among them. Only what the
                method needs is opened.
            budget: Rows as an ``int``, or a share of the rows in (0, 1] as a ``Decimal`` or ``float``; excluded rows
                do not count.
            seed: Seed of all that the method draws, >= 0.
            prepared: What ``prepare`` gave for the same signals, parameters and ``excluded``; computed here if left
                out.
            excluded: Rows that are treated as if the dataset did not have them, unique.

        Returns:
            Rows, ascending and unique, int64, exactly as many as the budget buys. The same samples for any order of
            the rows; ties go to the smaller ``sample_id`` (by code points).

        Raises:
            SelectionError: If the budget or seed is out of range, a signal is missing, of the wrong length, or holds
                NaN or infinity, or the method cannot serve this dataset.
        """
        reading = self._reading(signals, budget, seed, prepared=prepared, excluded=excluded)
        return np.sort(reading.order[self._chosen(reading, seed)])

    def explain(
        self,
        signals: Mapping[str, Array],
        budget: Decimal | float | int,
        seed: int,
        *,
        prepared: Mapping[str, Array] | None = None,
        excluded: IntArray = NO_ROWS,
    ) -> pl.DataFrame:
        """Say why each row is kept or not: the columns ``reasons.REASONS``, one line per row, in the dataset's order.

        Arguments and errors are those of ``select``; the rows kept are those that it chooses.
        """
        return self.reasons(signals, budget, seed, prepared=prepared, excluded=excluded).table()

    def reasons(
        self,
        signals: Mapping[str, Array],
        budget: Decimal | float | int,
        seed: int,
        *,
        prepared: Mapping[str, Array] | None = None,
        excluded: IntArray = NO_ROWS,
    ) -> Reasons:
        """As ``explain``, for datasets whose table need not be in memory at once."""
        reading = self._reading(signals, budget, seed, prepared=prepared, excluded=excluded)
        kept = np.zeros(len(reading.order), dtype=bool)
        kept[self._chosen(reading, seed)] = True
        was_read = kept[reading.read]
        with threadpool_limits(limits=1):
            standing = self._standing(reading.signals, int(was_read.sum()), np.random.default_rng(seed))
            space = self._space(reading.signals)
            nearest = stand_ins(space, was_read, standing.groups) if space else None
        drawn = np.random.default_rng(seed).permutation(len(reading.unread))
        reasons = Reasons(np.asarray(signals["sample_ids"]), score_name=self.score_name)
        reasons.add(reading.order[reading.read], was_read, standing, stand_ins=nearest)
        unread = Standing.of_one(drawn, "could not be read", len(drawn))
        reasons.add(reading.order[reading.unread], kept[reading.unread], unread)
        reasons.add(excluded, np.zeros(len(excluded), dtype=bool), Standing.of_one(NO_ROWS, "excluded", len(excluded)))
        return reasons

    def _reading(
        self,
        signals: Mapping[str, Array],
        budget: Decimal | float | int,
        seed: int,
        *,
        prepared: Mapping[str, Array] | None,
        excluded: IntArray,
    ) -> _Reading:
        """The rows and what is read of them, after a check of budget and seed."""
        order = _order(signals, excluded) if prepared is None or ID_ORDER not in prepared else prepared[ID_ORDER]
        dataset_rows = len(order) + len(excluded)
        count = _resolve_budget(budget, len(order))
        if seed < 0:
            raise SelectionError(f"seed {seed} is negative; give 0 or more")
        if prepared is None:
            prepared = self._prepare_read(signals, order, dataset_rows=dataset_rows)
        unread = prepared.get(_UNREAD, np.zeros(0, dtype=np.int64))
        read = np.delete(np.arange(len(order)), unread)
        ordered = OrderedSignals(signals, order[read], dataset_rows=dataset_rows)
        ordered.include(prepared)
        return _Reading(order, read, unread, ordered, count)

    def _chosen(self, reading: _Reading, seed: int) -> IntArray:
        """Positions in ``sample_id`` order of the rows chosen."""
        if reading.count == len(reading.order):
            return np.arange(reading.count, dtype=np.int64)
        n_read = min(reading.count, len(reading.read))
        chosen = np.arange(len(reading.read))
        if n_read < len(reading.read):
            with threadpool_limits(limits=1):
                chosen = self._choose(reading.signals, n_read, np.random.default_rng(seed))
            self._check_choice(chosen, n_read, n_samples=len(reading.read))
        drawn = np.random.default_rng(seed).permutation(reading.unread)[: reading.count - n_read]
        return np.concatenate([reading.read[chosen], drawn])

    @staticmethod
    def n_unread(prepared: Mapping[str, Array]) -> int:
        """How many rows could not be read, and so are chosen only when no other is left, given what was prepared."""
        return len(prepared.get(_UNREAD, NO_ROWS))

    def _prepare_read(self, signals: Mapping[str, Array], order: IntArray, *, dataset_rows: int) -> dict[str, Array]:
        """What the method prepares of the rows that could be read, and which could not, if any."""
        unread = self._unread(signals, OrderedSignals(signals, order, dataset_rows=dataset_rows))
        read = OrderedSignals(signals, np.delete(order, unread), dataset_rows=dataset_rows)
        with threadpool_limits(limits=1):  # sums of several threads come in a varying order
            prepared = self._prepare(read)
        return prepared | ({_UNREAD: unread} if len(unread) else {})

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        """What ``prepare`` returns; rows here are positions in ``sample_id`` order."""
        return {}

    @abstractmethod
    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        """``count`` distinct positions in ``sample_id`` order, in any order; not called for a budget of all rows.

        Args:
            signals: What the method needs and what it prepared, in ``sample_id`` order: a stable sort breaks ties
                towards the smaller id.
            count: Rows to choose, in 1..n_samples - 1.
            rng: ``np.random.default_rng(seed)``.
        """

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        """How the rows stand, from what ``_choose`` goes by: the same arguments, but ``count`` may be all rows.

        By default nothing is known: no row has a rank, a score or a group.
        """
        return Standing(np.zeros(0, dtype=np.int64), np.zeros(signals.n_samples, dtype=np.int64))

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array] | None:
        """What gives some rows as points, shape (n_rows, ...), where the method compares rows; NaN: no place.

        By default None: it compares no rows.
        """
        return None

    def check_present(self, signals: Mapping[str, Array]) -> None:
        """Refuse signals that lack one that the method needs.

        Raises:
            SelectionError: Naming what is missing, which assets make it, and what a person must provide for it.
        """
        missing = sorted(name for name in self.needs if name not in signals)
        if missing:
            assets = sorted({SIGNALS[name].asset for name in missing})
            requirements = [f"; {name}: {requirement_of(name)}" for name in missing if requirement_of(name)]
            raise SelectionError(
                f"method {self.name!r} needs {', '.join(missing)}, which this dataset does not have yet; "
                f"{how_to_make(*assets, method=self.name)}{''.join(requirements)}"
            )

    def _unread(self, signals: Mapping[str, Array], ordered: OrderedSignals) -> IntArray:
        """Positions of the rows that lack a signal altogether: most were too long for the model that was read.

        Raises:
            SelectionError: If a signal is missing or damaged, or no row has it.
        """
        self.check_present(signals)
        unread = np.zeros(ordered.n_samples, dtype=bool)
        for name in sorted(self.needs):
            unread |= lacking(ordered, name)
        return np.flatnonzero(unread)

    def _check_choice(self, chosen: IntArray, count: int, *, n_samples: int) -> None:
        distinct = np.unique(chosen)
        in_range = len(distinct) == 0 or (distinct[0] >= 0 and distinct[-1] < n_samples)
        if not (len(chosen) == len(distinct) == count and in_range):
            raise AssertionError(
                f"method {self.name!r} chose {len(distinct)} distinct rows of {n_samples}, not {count}"
            )


def _order(signals: Mapping[str, Array], excluded: IntArray) -> IntArray:
    """The rows that are left, in ascending order of their ``sample_id``."""
    order = id_order(signals)
    return order[~np.isin(order, excluded)] if len(excluded) else order


def _resolve_budget(budget: Decimal | float | int, n_samples: int) -> int:
    """The number of rows that a budget stands for."""
    if isinstance(budget, int | np.integer) and not isinstance(budget, bool):
        if not 1 <= budget <= n_samples:
            raise SelectionError(f"budget of {budget} rows is out of range; give 1 to {n_samples} rows")
        return int(budget)
    share = budget if isinstance(budget, Decimal) else Decimal(str(float(budget)))
    if not (share.is_finite() and 0 < share <= 1):
        raise SelectionError(f"budget {budget} is out of range; give a fraction of the rows in (0, 1], such as 0.2")
    return budget_count(share, n_samples)
