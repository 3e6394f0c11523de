"""Which rows lack a value of a signal, and which values are damaged."""

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.remedies import how_to_make_again
from xmas_assets.contracts.signals import SIGNALS, Source
from xmas_assets.selection.signal_arrays import Array, OrderedSignals

_N_SHOWN = 3  # ids named in a message


def lacking(ordered: OrderedSignals, name: str) -> NDArray[np.bool_]:
    """Which rows should have a value of a signal and have none; anything else that is not finite is refused.

    So is a signal that none of the rows has.
    """
    source = SIGNALS[name]
    if not source.per_row:
        if _not_finite(ordered[name]).any():
            raise SelectionError(f"signal {name!r} holds NaN or infinity; {how_to_make_again(source.asset)}")
        return np.zeros(ordered.n_samples, dtype=bool)
    blocks = [_bad_and_empty(block, source) for block in ordered.blocks(name)]
    bad, empty = (np.concatenate(parts) for parts in zip(*blocks, strict=True)) if blocks else np.zeros((2, 0), bool)
    wanted = np.ones(ordered.n_samples, dtype=bool)
    if source.rows in ordered:
        wanted = ordered[source.rows] != SIGNALS[source.rows].absent
    elif empty.any() and np.issubdtype(ordered[name].dtype, np.integer):  # nobody says which rows should have one
        wanted[:] = False
    bad &= wanted
    damaged = bad & ~empty
    if damaged.any() or (bad.any() and bad.sum() == wanted.sum()):
        shown = damaged if damaged.any() else bad
        what = "NaN or infinite" if damaged.any() else f"missing (left out; see the notices of {source.asset})"
        ids = ", ".join(str(sample_id) for sample_id in ordered["sample_ids"][np.flatnonzero(shown)[:_N_SHOWN]])
        raise SelectionError(
            f"signal {name!r} is {what} in {int(shown.sum())} of {len(bad)} rows (first: {ids}); "
            f"raise base_model.max_tokens, remove these rows from the dataset, or {how_to_make_again(source.asset)}"
        )
    return bad


def _bad_and_empty(values: Array, source: Source) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which entries are no values, and which of them say that there is none."""
    if np.issubdtype(values.dtype, np.integer) and source.rows and not np.isnan(source.absent):
        is_absent = values == source.absent
        return is_absent, is_absent
    return _not_finite(values), _all_nan(values)


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
