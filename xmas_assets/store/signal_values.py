"""The numbers of a stored signal: which columns hold them, and how large each row's are."""

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.store.reading import Table


def signal_columns(table: Table) -> list[str]:
    """The columns that hold a signal's values: numbers with a fraction, or fixed-size lists of them."""
    return [field.name for field in table.schema if pa.types.is_floating(getattr(field.type, "value_type", field.type))]


def row_norms(table: Table, column: str) -> NDArray[np.float64]:
    """Each row's value, or the length (L2) of its list, shape (n_rows,), in bounded memory; NaN if any entry is."""
    parts = [np.zeros(0)]
    for batch in table.batches([column]):
        values = pl.Series(batch.column(0)).to_numpy().astype(np.float64)
        parts.append(values if values.ndim == 1 else np.linalg.norm(values, axis=1))
    return np.concatenate(parts)
