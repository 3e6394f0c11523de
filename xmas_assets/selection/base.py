"""What every selection method shares: the checks before and after the choice. The choice is the method's own."""

from abc import abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from xmas_assets.contracts.artifacts import budget_count
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.catalogue import SIGNALS
from xmas_assets.selection.signals import ID_ORDER, Array, OrderedSignals, id_order

IntArray = NDArray[np.int64]
Cost = Literal["none", "text", "forward", "proxy", "gradient", "external"]
_N_SHOWN = 3  # ids named in a message


class Method(BaseModel):
    """A way to choose rows; its fields are its hyperparameters.

    Attributes:
        name: Name in the registry and in selection keys.
        paper: Where it comes from.
        needs: Signals it reads (``xmas_assets.selection.catalogue.SIGNALS``), beside ``sample_ids``.
        cost: The most expensive thing it needs once per dataset: nothing; the text alone; forward passes of a trained
            model; training a proxy; a backward pass per row; a service outside the platform.
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
        return {ID_ORDER: order, **self._prepare(self._checked(signals, order))}

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
            seed: Seed of whatever the method draws, >= 0.
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
            ordered = self._checked(signals, order)
            ordered.include(self._prepare(ordered))
        else:
            ordered = OrderedSignals(signals, order)
            ordered.include(prepared)
        if count == len(order):
            return np.arange(count, dtype=np.int64)
        chosen = self._choose(ordered, count, np.random.default_rng(seed))
        self._check_choice(chosen, count, n_samples=len(order))
        return np.sort(order[chosen])

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
            supplies = [f"; {name}: {SIGNALS[name].supply}" for name in missing if SIGNALS[name].supply]
            raise SelectionError(
                f"method {self.name!r} needs {', '.join(missing)}, which this dataset does not have yet; "
                f"materialize {', '.join(assets)} first{''.join(supplies)}"
            )

    def _checked(self, signals: Mapping[str, Array], order: IntArray) -> OrderedSignals:
        self.check_present(signals)
        ordered = OrderedSignals(signals, order)
        for name in sorted(self.needs):
            _check_finite(ordered, name)
        return ordered

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


def _check_finite(ordered: OrderedSignals, name: str) -> None:
    """Refuse NaN and infinity in a float signal, except in the rows that have no value of it."""
    source = SIGNALS[name]
    if not source.per_row:
        if _not_finite(ordered[name]).any():
            raise SelectionError(f"signal {name!r} holds NaN or infinity; materialize {source.asset} again")
        return
    bad = np.concatenate([_not_finite(block) for block in ordered.blocks(name)] or [np.zeros(0, dtype=bool)])
    if source.rows in ordered:
        bad &= ordered[source.rows].astype(bool)
    if bad.any():
        ids = ", ".join(str(sample_id) for sample_id in ordered["sample_ids"][np.flatnonzero(bad)[:_N_SHOWN]])
        raise SelectionError(
            f"signal {name!r} is NaN or infinite in {int(bad.sum())} of {len(bad)} rows (first: {ids}); "
            f"materialize {source.asset} again, or remove these rows from the dataset"
        )


def _not_finite(values: Array) -> NDArray[np.bool_]:
    """Which entries of the first axis hold a NaN or an infinity, shape (n_entries,)."""
    if not np.issubdtype(values.dtype, np.floating):
        return np.zeros(len(values), dtype=bool)
    return np.logical_not(np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
