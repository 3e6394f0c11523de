"""How much a dataset repeats itself, from the signals that are stored of it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import IntArray, rows_with_values
from xmas_assets.core.redundancy import Redundancy, measure_redundancy
from xmas_assets.core.trajectories import leading_sums
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.selection.signal_arrays import Signals

# The spaces that rows are compared in, each with the signals that it takes. Joined, image and text weigh alike.
_SPACES: dict[str, tuple[tuple[str, ...], Callable[..., NDArray]]] = {
    "image": (("image_embedding",), lambda image: image),
    "text": (("text_embedding",), lambda text: text),
    "image_and_text": (
        ("image_embedding", "text_embedding"),
        lambda image, text: np.concatenate([image, text], axis=1),
    ),
    "trajectories": (("trajectories",), leading_sums),
    "attention_maps": (("attention_maps",), lambda maps: maps.reshape(len(maps), -1)),
}


def measure_dataset(home: Home, dataset: str) -> dict[str, Redundancy]:
    """Measure every space whose signals are stored, over the rows that have a value in it (two at least)."""
    signals = stored_signals(home, dataset)
    points = {name: space_points(signals, name) for name in stored_spaces(signals)}
    return {name: measure_redundancy(rows) for name, rows in points.items() if len(rows) > 1}


def stored_spaces(signals: Signals) -> list[str]:
    """The spaces whose signals are stored."""
    return [name for name, (needs, _) in _SPACES.items() if all(need in signals for need in needs)]


def space_points(signals: Signals, space: str) -> NDArray:
    """The rows that have a place in a space, in the dataset's order, shape (n_present, n_features)."""
    return space_rows(signals, space)[1]


def space_rows(signals: Signals, space: str, among: IntArray | None = None) -> tuple[IntArray, NDArray]:
    """Which rows have a place in a space, ascending, and these places; see ``space_points``.

    Args:
        signals: Of the dataset.
        space: One of ``stored_spaces``.
        among: Only these rows, ascending: of a signal that lies on disk, no others are read.
    """
    needs, join = _SPACES[space]
    values = join(*(signals[need] if among is None else signals[need][among] for need in needs))
    present = rows_with_values(values)
    rows = np.flatnonzero(present)
    return (rows if among is None else among[rows]), values[present]
