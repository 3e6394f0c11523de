"""Signals by name, opened only when asked for, and put into the order of the rows' names."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.contracts.signals import SIGNALS
from xmas_assets.core.arrays import Rows

Array = NDArray[Any]
_BLOCK_BYTES = 32 * 2**20
ID_ORDER = "id_order"
"""Name of the rows' order among what a method prepares."""


class Signals(Mapping[str, Array]):
    """Arrays by signal name, aligned with the dataset's rows, each opened when (and every time) it is asked for.

    Any mapping from names to arrays may be used in its place; ``sample_ids`` must be among the names.

    Example:
        >>> signals = Signals({"sample_ids": lambda: np.array(["a", "b"])})
        >>> "instability" in signals, signals["sample_ids"].tolist()
        (False, ['a', 'b'])
    """

    def __init__(self, openers: Mapping[str, Callable[[], Array]]) -> None:
        self._openers = dict(openers)

    def __getitem__(self, name: str) -> Array:
        return self._openers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._openers)

    def __len__(self) -> int:
        return len(self._openers)

    def __contains__(self, name: object) -> bool:
        return name in self._openers  # Mapping's own would open the array


def id_order(signals: Mapping[str, Array]) -> NDArray[np.int64]:
    """Rows in ascending order of their ``sample_id``, shape (n_samples,).

    Raises:
        SelectionError: If there are no ``sample_ids``, or two rows share one.
    """
    if "sample_ids" not in signals:
        raise SelectionError("the signals lack 'sample_ids', the rows' names; add them (asset raw_dataset makes them)")
    # 16 bytes an id, and sorted several times as fast as Python's strings.
    ids = np.asarray(signals["sample_ids"]).astype(np.dtypes.StringDType(), copy=False)
    order = np.arange(len(ids), dtype=np.int64)
    if not (ids[:-1] < ids[1:]).all():
        order = np.argsort(ids, kind="stable").astype(np.int64)
        repeated = np.flatnonzero(ids[order[:-1]] == ids[order[1:]])
        if len(repeated):
            raise SelectionError(
                f"sample_id {ids[order[repeated[0]]]!r} names more than one row; make the sample_ids unique"
            )
    return order


class OrderedSignals(Mapping[str, Array]):
    """Signals in ``sample_id`` order, so that nothing depends on the order of the rows; each is opened once.

    Attributes:
        n_samples: Rows that are read; all of the dataset, or those that could be read.
    """

    def __init__(
        self, signals: Mapping[str, Array], order: NDArray[np.int64], *, dataset_rows: int | None = None
    ) -> None:
        self._signals = signals
        self._order = order
        self._dataset_rows = len(order) if dataset_rows is None else dataset_rows
        self._opened: dict[str, Array] = {}
        self._known: dict[str, Array] = {}
        self.n_samples = len(order)

    def include(self, prepared: Mapping[str, Array]) -> None:
        """Let a method read what it prepared in addition to the signals; these arrays are not reordered."""
        self._known.update(prepared)

    def __getitem__(self, name: str) -> Array:
        if name not in self._known:
            values = self._open(name)
            self._known[name] = values[self._order] if is_per_row(name) else values
            del self._opened[name]
        return self._known[name]

    def take(self, name: str, rows: NDArray[np.int64]) -> Array:
        """Give some rows of a signal (positions in ``sample_id`` order); the others stay where it was opened."""
        if name in self._known:
            return self._known[name][rows]
        return self._open(name)[self._order[rows]]

    def rows(self, name: str, as_vectors: Callable[[Array], Array] | None = None) -> Rows:
        """A signal's rows in order, each as a vector: those of a memory map are read, and made ready, when indexed.

        Args:
            name: A signal that has a value per row.
            as_vectors: Makes vectors, shape (n_rows, width), of some rows' values; default their numbers in a row.
        """
        as_vectors = as_vectors or _in_a_row
        if _is_mapped(self._open(name)):
            return _MappedRows(partial(self.take, name), self.n_samples, as_vectors)
        return as_vectors(self[name])

    def blocks(self, name: str, rows: NDArray[np.int64] | None = None) -> Iterator[Array]:
        """Give a signal's rows in blocks of about 32 MiB, so that one too large to be copied is never whole in memory.

        Args:
            name: A signal that has a value per row; where it was opened as a memory map, it stays on disk.
            rows: Only these, positions in ``sample_id`` order; default all.
        """
        wanted = np.arange(self.n_samples) if rows is None else rows
        one = self.take(name, wanted[:1])
        step = max(1, _BLOCK_BYTES // max(1, one.nbytes))
        for start in range(0, len(wanted), step):
            yield self.take(name, wanted[start : start + step])

    def _open(self, name: str) -> Array:
        """The array in the dataset's own order."""
        if name not in self._opened:
            values = np.asarray(self._signals[name])
            if is_per_row(name) and len(values) != self._dataset_rows:
                remedy = how_to_make(SIGNALS[name].asset if name in SIGNALS else "raw_dataset")
                raise SelectionError(
                    f"signal {name!r} has {len(values)} rows, the dataset {self._dataset_rows}; "
                    f"it is from another version of the dataset; {remedy}"
                )
            self._opened[name] = values
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._signals, *self._known]))

    def __len__(self) -> int:
        return len({*self._signals, *self._known})

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._signals


def _is_mapped(values: Array | None) -> bool:
    """Whether an array is a memory map of a file, or a view of one."""
    while isinstance(values, np.ndarray) and not isinstance(values, np.memmap):
        values = values.base
    return isinstance(values, np.memmap)


def _in_a_row(values: Array) -> Array:
    return values.reshape(len(values), math.prod(values.shape[1:]))


class _MappedRows:
    """Vectors of rows that lie on disk; indexed by an array of rows of any shape, or a slice."""

    def __init__(self, take: Callable[[NDArray[np.int64]], Array], n_rows: int, as_vectors: Callable[[Array], Array]):
        self._take = take
        self._as_vectors = as_vectors
        one = as_vectors(take(np.arange(1)))
        self.shape, self.dtype = (n_rows, one.shape[1]), one.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> Array:
        wanted = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows)
        return self._as_vectors(self._take(wanted.ravel())).reshape(*wanted.shape, self.shape[1])


def is_per_row(name: str) -> bool:
    """Whether an array of this name has one entry per row of the dataset; names that are no signals do."""
    return name not in SIGNALS or SIGNALS[name].per_row
