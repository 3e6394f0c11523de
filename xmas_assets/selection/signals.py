"""The names of what methods look at: which asset makes each signal, and a mapping that opens them only when asked."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.errors import SelectionError

Array = NDArray[Any]


class Source(NamedTuple):
    """Where a signal comes from.

    Attributes:
        asset: The asset that makes it.
        table: The asset's table that holds it.
        column: The column, one value (or fixed-size array) per row of the dataset.
        description: What it is, with shape and unit.
        image_only: Rows without image have no value (NaN, or a label of -1).
    """

    asset: str
    table: str
    column: str
    description: str
    image_only: bool = False


SIGNALS: dict[str, Source] = {
    "sample_ids": Source("raw_dataset", "samples", "sample_id", "Unique stable name of the row, text."),
    "has_image": Source(
        "attention_trajectories",
        "trajectories",
        "has_image",
        "Whether the row has a trajectory: it has an image, and is not too long to be read.",
    ),
    "task": Source("raw_dataset", "samples", "task", "The source's task name, or null."),
    "n_turns": Source("raw_dataset", "samples", "n_turns", "Answers in the conversation."),
    "trajectories": Source(
        "attention_trajectories",
        "trajectories",
        "values",
        "Leading singular values of the cross-modal attention, (n_checkpoints, n_values) per row.",
        image_only=True,
    ),
    "cluster_label": Source("clusters", "clusters", "label", "k-means cluster of the trajectory.", image_only=True),
    "instability": Source(
        "clusters", "clusters", "instability", "Sum of the trajectory's absolute steps.", image_only=True
    ),
    "stability_rank": Source(
        "clusters", "clusters", "stability_rank", "Rank by instability inside the cluster, from 0.", image_only=True
    ),
}


class Signals(Mapping[str, Array]):
    """Arrays by signal name, aligned with the dataset's rows, each opened when (and every time) it is asked for.

    Any mapping from names to arrays may stand in its place; ``sample_ids`` must be among the names.

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
    ids = np.asarray(signals["sample_ids"])
    order = np.arange(len(ids), dtype=np.int64)
    if not (ids[:-1] < ids[1:]).all():
        order = np.argsort(ids, kind="stable").astype(np.int64)
        repeated = np.flatnonzero(ids[order[:-1]] == ids[order[1:]])
        if len(repeated):
            raise SelectionError(
                f"sample_id {ids[order[repeated[0]]]!r} stands for more than one row; make the sample_ids unique"
            )
    return order


class OrderedSignals(Mapping[str, Array]):
    """Signals in ``sample_id`` order, so that nothing depends on the order of the rows; each is opened once.

    Attributes:
        n_samples: Rows of the dataset.
    """

    def __init__(self, signals: Mapping[str, Array], order: NDArray[np.int64]) -> None:
        self._signals = signals
        self._order = order
        self._known: dict[str, Array] = {}
        self.n_samples = len(order)

    def include(self, prepared: Mapping[str, Array]) -> None:
        """Let a method read what it prepared beside the signals; these arrays are not reordered."""
        self._known.update(prepared)

    def __getitem__(self, name: str) -> Array:
        if name not in self._known:
            values = np.asarray(self._signals[name])
            if len(values) != self.n_samples:
                raise SelectionError(
                    f"signal {name!r} has {len(values)} rows, the dataset {self.n_samples}; "
                    "it is from another version of the dataset, so materialize its asset again"
                )
            self._known[name] = values[self._order]
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._signals, *self._known]))

    def __len__(self) -> int:
        return len({*self._signals, *self._known})

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._signals
