"""What a person sees of a signal, and what must hold for it: any table of numbers per row of the dataset."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.report.canvas import markdown_image
from xmas_assets.report.figures import histogram_figure
from xmas_assets.store.reading import Table


def describe_signal(table: Table, *, has_image: NDArray[np.bool_], notices: Sequence[str] = ()) -> dict[str, object]:
    """How many rows have a value, why others have none, and how the values are distributed.

    Args:
        table: One value, or one fixed-size list of values, per row and column; NaN where a row has none.
        has_image: Of the same rows, shape (n_rows,).
        notices: What a person should know about how it was made.
    """
    lengths = {name: row_lengths(table, name) for name in signal_columns(table)}
    present = {name: ~np.isnan(values) for name, values in lengths.items()}
    shown = {f"{name}{_length_note(table, name)}": lengths[name][rows] for name, rows in present.items() if rows.any()}
    return {
        "rows": table.n_rows,
        **{f"rows with {name}": int(rows.sum()) for name, rows in present.items()},
        **{f"rows without {name}": _without(rows, has_image) for name, rows in present.items() if not rows.all()},
        "notices": "\n".join(notices) or "none",
        "distribution": markdown_image(histogram_figure(shown)) if shown else "no row has a value",
    }


def check_signal(table: Table) -> list[str]:
    """No infinity, and no row of which only a part is a number; returns the problems in words."""
    problems = []
    for column in signal_columns(table):
        n_infinite = n_torn = 0
        for batch in table.batches([column]):
            values = pl.Series(batch.column(0)).to_numpy()
            values = values.reshape(len(values), -1)
            missing = np.isnan(values)
            n_infinite += int(np.isinf(values).any(axis=1).sum())
            n_torn += int((missing.any(axis=1) & ~missing.all(axis=1)).sum())
        problems += [f"{n_infinite} rows of {column} hold infinity"] if n_infinite else []
        problems += [f"{n_torn} rows of {column} are NaN in part"] if n_torn else []
    return problems


def signal_columns(table: Table) -> list[str]:
    """The columns that hold a signal's values: numbers with a fraction, or fixed-size lists of them."""
    return [field.name for field in table.schema if pa.types.is_floating(getattr(field.type, "value_type", field.type))]


def row_lengths(table: Table, column: str) -> NDArray[np.float64]:
    """Each row's value, or the length (L2) of its list, shape (n_rows,), in bounded memory; NaN if any entry is."""
    parts = [np.zeros(0)]
    for batch in table.batches([column]):
        values = pl.Series(batch.column(0)).to_numpy().astype(np.float64)
        parts.append(values if values.ndim == 1 else np.linalg.norm(values, axis=1))
    return np.concatenate(parts)


def _length_note(table: Table, column: str) -> str:
    return " (L2 norm)" if pa.types.is_fixed_size_list(table.schema.field(column).type) else ""


def _without(present: NDArray[np.bool_], has_image: NDArray[np.bool_]) -> str:
    """Why rows have no value, in words."""
    missing = ~present
    text_only, others = int((missing & ~has_image).sum()), int((missing & has_image).sum())
    return f"{text_only:,} text-only, {others:,} others (too long to be read; see notices)"
