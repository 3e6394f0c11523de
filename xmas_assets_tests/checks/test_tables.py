import numpy as np
import polars as pl
import pytest

from xmas_assets.checks.tables import check_warmup
from xmas_assets.store.reading import Table
from xmas_assets.store.tables import write_tables


def stored(folder, frame: pl.DataFrame) -> Table:
    write_tables(folder, {"table": frame})
    return Table.open(folder / "table.parquet")


@pytest.mark.parametrize(
    ("steps", "rates", "problem"),
    [
        ([1, 2], [1e-3, 1e-4], None),
        ([2, 1], [1e-3, 1e-4], "steps [2, 1] are not ascending"),
        ([1, 2], [0.0, 1e-3], None),  # the very first step of a schedule with a warm-up
        ([1, 2], [0.0, 0.0], "mean learning rates [0.0, 0.0] are not above 0"),
        ([1, 2], [np.nan, 1e-3], "mean learning rates [nan, 0.001] are not above 0"),
    ],
)
def test_a_warm_up_has_checkpoints_in_order_with_learning_rates(tmp_path, steps, rates, problem):
    schema = {"step": pl.Int64, "learning_rate": pl.Float64}
    problems = check_warmup(stored(tmp_path, pl.DataFrame({"step": steps, "learning_rate": rates}, schema=schema)))
    assert len(problems) == (problem is not None)
    assert problem is None or problem in problems[0]
