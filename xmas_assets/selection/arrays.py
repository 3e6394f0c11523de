"""Choose rows from arrays in memory: no platform, no files."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.signals import SIGNALS, describe
from xmas_assets.selection.base import IntArray, Method
from xmas_assets.selection.registry import make_method
from xmas_assets.selection.signal_arrays import Array, is_per_row


def select(
    method: str | Method, signals: Mapping[str, ArrayLike], *, budget: Decimal | float | int, seed: int = 0
) -> IntArray:
    """Rows that a method chooses.

    Args:
        method: Its name, or an instance with parameters of its own: ``METHODS["semdedup"](n_clusters=100)``.
        signals: Arrays by name, one entry per row of the dataset, such as ``{"pooled_features": features}``;
            ``SIGNALS`` describes each name. ``sample_ids`` (text, unique) name the rows and break ties; left out, they
            are the row numbers.
        budget: Rows as an ``int``, or a share of the rows in (0, 1].
        seed: Seed of all that the method draws, >= 0.

    Returns:
        Rows, ascending and unique, int64, shape (n_chosen,), exactly as many as the budget buys. The same arrays,
        parameters and seed give the same rows.

    Raises:
        SelectionError: If a signal is missing, of another shape or not finite, or method, budget or seed is refused.

    Example:
        >>> select("length", {"answer_length": [3, 9, 4, 7]}, budget=0.5).tolist()
        [1, 3]
    """
    chosen_by = make_method(method, {}) if isinstance(method, str) else method
    missing = sorted(chosen_by.needs - signals.keys())
    if missing:
        raise SelectionError(
            f"method {chosen_by.name!r} needs {_described(missing)}; given: {', '.join(sorted(signals)) or 'nothing'}"
        )
    arrays = {name: _as_array(name, values) for name, values in signals.items()}
    n_rows = _common_length(chosen_by, arrays)
    width = len(str(n_rows - 1))
    ids = np.array([f"{row:0{width}}" for row in range(n_rows)], dtype=object)  # in the order of the rows
    return chosen_by.select({"sample_ids": ids} | arrays, budget, seed)


def _described(names: list[str]) -> str:
    return "; ".join(f"{name} ({describe(name)})" if name in SIGNALS else name for name in names)


def _as_array(name: str, values: ArrayLike) -> Array:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):  # entries of different lengths
        array = np.zeros(())
    wanted = _n_dimensions(name)
    if array.ndim == 0 or (wanted and array.ndim != wanted):
        raise SelectionError(
            f"signal {name!r} has {array.ndim} dimensions, not {wanted or 'one for the rows first'}; "
            f"give a numpy array of {_described([name])}, of dtype object where entries are lists"
        )
    return array


def _n_dimensions(name: str) -> int:
    """How many dimensions the array of a signal has; 0 for one that is not known, or has no entry per row."""
    return 1 + len(SIGNALS[name].shape) if name in SIGNALS and is_per_row(name) else 0


def _common_length(method: Method, arrays: Mapping[str, Array]) -> int:
    """How many rows the arrays have: all the same number."""
    read = {"sample_ids", *(method.needs or arrays)}
    lengths = {name: len(values) for name, values in arrays.items() if name in read and is_per_row(name)}
    if not lengths:
        raise SelectionError("no array says how many rows there are; give sample_ids, text of shape (n_rows,)")
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise SelectionError(f"the signals have different numbers of rows ({shown}); give one entry per row in each")
    (n_rows,) = set(lengths.values())
    return n_rows
