"""Two frames to store, and what is in a folder."""

from pathlib import Path

import numpy as np
import polars as pl

FRAME = pl.DataFrame(
    {
        "row": np.arange(5),
        "sample_id": ["a", "b", None, "d", "e"],
        "tags": [["x"], [], ["y", "z"], [], []],
        "ok": [True, False, True, True, False],
        "centroid": pl.Series(np.arange(10, dtype=np.float32).reshape(5, 2)),
    }
)
OTHER = FRAME.with_columns(pl.col("row") + 100)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}
