"""A stored signal with one column of numbers and one of pairs."""

from pathlib import Path

import polars as pl

from xmas_assets.store.reading import Table
from xmas_assets.store.tables import open_tables, write_tables

NAN = float("nan")


def write_signal(folder: Path, scores: list[float], vectors: list[list[float]]) -> Table:
    """Store columns ``score`` and ``vector`` and open them."""
    values = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, 2))
    ids = [f"id{row}" for row in range(len(scores))]
    frame = pl.DataFrame({"row": range(len(scores)), "sample_id": ids, "score": scores}).with_columns(values)
    write_tables(folder, {"signal": frame})
    return open_tables(folder)["signal"]
