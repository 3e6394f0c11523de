"""What every selection method shares: the checks before and after the choice. The choice is the method's own."""

from abc import abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from xmas_assets.contracts.artifacts import budget_count
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.remedies import how_to_make, how_to_make_again
from xmas_assets.contracts.signals import SIGNALS, requirement_of
from xmas_assets.core.arrays import IntArray
from xmas_assets.selection.signal_arrays import ID_ORDER, Array, OrderedSignals, id_order

Cost = Literal["none", "text", "forward", "proxy", "gradient", "external"]
_N_SHOWN = 3  # ids named in a message
_UNREAD = "rows that could not be read"
_MOST_LACKING = 20  # one row in so many may lack a signal; more points to a fault


class Method(BaseModel):
    """A way to choose rows; its fields are its hyperparameters.

    Attributes:
        name: Name in the registry and in selection keys.
        paper: Where it comes from.
        needs: Signals it reads (``xmas_assets.contracts.signals.SIGNALS``), besides ``sample_ids``.
        cost: The most expensive thing it needs once per dataset: nothing; the text alone; forward passes of the base
            model; training a proxy (and forward passes of it); a backward pass per row; an external service.
        nested: With one seed, a smaller budget's rows lie inside a larger one's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    paper: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    cost: ClassVar[Cost]
    nested: ClassVar[bool]

    def prepare(self, signals: Mapping[str, Array]) -> dict[str, Array]:
        """Compute what depends on neither budget nor seed, to be stored and given to every ``select``.

        Args:
            signals: Arrays by name, aligned with the dataset's rows, with ``sample_ids`` among them.

        Returns:
            ``id_order`` (the rows in ascending order of their ``sample_id``, shape (n_samples,)) and the method's own
            arrays by name, which are the same for any order of the rows.

        Raises:
            SelectionError: If a signal is missing, of the wrong length, or holds NaN or infinity.
        """
        order = id_order(signals)
        return {ID_ORDER: order, **self._prepare_read(signals, order)}

    def select(
        self,
        signals: Mapping[str, Array],
        budget: Decimal | float | int,
        seed: int,
        *,
        prepared: Mapping[str, Array] | None = None,
    ) -> IntArray:
        """Choose rows.

        Args:
            signals: Arrays by name, aligned with the dataset's rows, with ``sample_ids`` among them. Only what the
                method needs is opened.
            budget: Rows as an ``int``, or a share of the rows in (0, 1] as a ``Decimal`` or ``float``.
            seed: Seed of all that the method draws, >= 0.
            prepared: What ``prepare`` gave for the same signals and parameters; computed here if left out.

        Returns:
            Rows, ascending and unique, int64, exactly as many as the budget buys. The same samples for any order of
            the rows; ties go to the smaller ``sample_id`` (by code points).

        Raises:
            SelectionError: If the budget or seed is out of range, a signal is missing, of the wrong length, or holds
                NaN or infinity, or the method cannot serve this dataset.
        """
        order = id_order(signals) if prepared is None or ID_ORDER not in prepared else prepared[ID_ORDER]
        count = _resolve_budget(budget, len(order))
        if seed < 0:
            raise SelectionError(f"seed {seed} is negative; give 0 or more")
        if prepared is None:
            prepared = self._prepare_read(signals, order)
        if count == len(order):
            return np.arange(count, dtype=np.int64)
        unread = prepared.get(_UNREAD, np.zeros(0, dtype=np.int64))
        read = np.delete(np.arange(len(order)), unread)
        n_unread = count * len(unread) // len(order)
        ordered = OrderedSignals(signals, order[read], dataset_rows=len(order))
        ordered.include(prepared)
        chosen = np.arange(len(read))
        if count - n_unread < len(read):
            with threadpool_limits(limits=1):
                chosen = self._choose(ordered, count - n_unread, np.random.default_rng(seed))
            self._check_choice(chosen, count - n_unread, n_samples=len(read))
        drawn = np.random.default_rng(seed).permutation(unread)[:n_unread]
        return np.sort(order[np.concatenate([read[chosen], drawn])])

    def _prepare_read(self, signals: Mapping[str, Array], order: IntArray) -> dict[str, Array]:
        """What the method prepares of the rows that could be read, and which could not, if any."""
        unread = self._unread(signals, order)
        read = OrderedSignals(signals, np.delete(order, unread), dataset_rows=len(order))
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

    def _unread(self, signals: Mapping[str, Array], order: IntArray) -> IntArray:
        """Positions of the rows that lack a signal altogether: most were too long for the model that was read.

        Raises:
            SelectionError: If a signal is missing or damaged, or more than one row in twenty lacks one.
        """
        self.check_present(signals)
        ordered = OrderedSignals(signals, order)
        unread = np.zeros(len(order), dtype=bool)
        for name in sorted(self.needs):
            unread |= _lacking(ordered, name)
        return np.flatnonzero(unread)

    def _check_choice(self, chosen: IntArray, count: int, *, n_samples: int) -> None:
        distinct = np.unique(chosen)
        in_range = len(distinct) == 0 or (distinct[0] >= 0 and distinct[-1] < n_samples)
        if not (len(chosen) == len(distinct) == count and in_range):
            raise AssertionError(
                f"method {self.name!r} chose {len(distinct)} distinct rows of {n_samples}, not {count}"
            )


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


def _lacking(ordered: OrderedSignals, name: str) -> NDArray[np.bool_]:
    """Which rows should have a value of a signal and have none; anything else that is not finite is refused."""
    source = SIGNALS[name]
    if not source.per_row:
        if _not_finite(ordered[name]).any():
            raise SelectionError(f"signal {name!r} holds NaN or infinity; {how_to_make_again(source.asset)}")
        return np.zeros(ordered.n_samples, dtype=bool)
    blocks = [(_not_finite(block), _all_nan(block)) for block in ordered.blocks(name)]
    bad, empty = (np.concatenate(parts) for parts in zip(*blocks, strict=True)) if blocks else np.zeros((2, 0), bool)
    if source.rows in ordered:
        bad &= ordered[source.rows] != SIGNALS[source.rows].absent
    damaged = bad & ~empty
    if damaged.any() or bad.sum() > len(bad) // _MOST_LACKING:
        shown = damaged if damaged.any() else bad
        what = "NaN or infinite" if damaged.any() else f"missing (left out; see the notices of {source.asset})"
        ids = ", ".join(str(sample_id) for sample_id in ordered["sample_ids"][np.flatnonzero(shown)[:_N_SHOWN]])
        raise SelectionError(
            f"signal {name!r} is {what} in {int(shown.sum())} of {len(bad)} rows (first: {ids}); "
            f"raise base_model.max_tokens, remove these rows from the dataset, or {how_to_make_again(source.asset)}"
        )
    return bad


def _all_nan(values: Array) -> NDArray[np.bool_]:
    """Which entries of the first axis hold nothing but NaN, shape (n_entries,)."""
    if not np.issubdtype(values.dtype, np.floating):
        return np.zeros(len(values), dtype=bool)
    return np.logical_not(np.logical_not(np.isnan(values)).any(axis=tuple(range(1, values.ndim))))


def _not_finite(values: Array) -> NDArray[np.bool_]:
    """Which entries of the first axis hold a NaN or an infinity, shape (n_entries,)."""
    if not np.issubdtype(values.dtype, np.floating):
        return np.zeros(len(values), dtype=bool)
    return np.logical_not(np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
