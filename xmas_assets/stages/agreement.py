"""The theory check on a dataset's stored signals: whose pairs are compared, and what comes out as a table."""

from dataclasses import asdict, dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.core.agreement import attention_distances, gradient_distances, measure_agreement
from xmas_assets.core.arrays import FloatArray, IntArray, rows_with_values
from xmas_assets.home.stored_tables import StoredTables, noted_shape
from xmas_assets.selection.signal_arrays import id_order
from xmas_assets.store.reading import Table
from xmas_assets.store.signal_values import row_norms

_MOST_ROWS = 800  # 319,600 pairs: 15 CPU seconds with 200 resamples
_FEWEST_ROWS = 10
_SEED = 0


@dataclass(frozen=True)
class Pairs:
    """Distances between all pairs of some rows.

    Attributes:
        attention: By name, shape (n_pairs,); see ``core.agreement.attention_distances``.
        gradient: Likewise; see ``core.agreement.gradient_distances``.
        tasks: Task of each row as a number, shape (n_rows,).
        sample_ids: Of the rows, shape (n_rows,).
        n_without: Rows of the dataset that lack attention to an image or a gradient, and so could not be drawn.
    """

    attention: dict[str, FloatArray]
    gradient: dict[str, FloatArray]
    tasks: IntArray
    sample_ids: NDArray
    n_without: int


def sample_pairs(
    raw_dataset: StoredTables,
    attention_trajectories: StoredTables,
    attention_maps: StoredTables,
    gradients: StoredTables,
    *,
    checkpoints: slice = slice(None),
) -> Pairs:
    """Draw rows that have both attention and a gradient, by a fixed seed, and give the distances of all their pairs.

    Args:
        raw_dataset: Whose rows.
        attention_trajectories: Of the proxy.
        attention_maps: Of the proxy.
        gradients: Of the warm-up's last checkpoint.
        checkpoints: Which of the proxy's checkpoints count; default all.

    Raises:
        DatasetError: If there are fewer than 10 such rows.
    """
    samples, maps = raw_dataset["samples"], attention_maps["attention_maps"]
    trajectories, projected = attention_trajectories["attention_trajectories"], gradients["gradients"]
    lengths = [row_norms(trajectories, "values"), row_norms(maps, "values"), projected.column("norm")]
    is_usable = rows_with_values(np.stack(lengths, axis=1))
    rows = _draw(samples.column("sample_id"), is_usable)
    _, tasks = np.unique([task or "" for task in samples.take("task", rows).tolist()], return_inverse=True)
    return Pairs(
        attention_distances(
            _read(trajectories, "values", rows)[:, checkpoints], _read(maps, "values", rows)[:, checkpoints]
        ),
        gradient_distances(projected.take("projected", rows).reshape(len(rows), -1)),
        tasks,
        samples.column("sample_id")[rows],
        int((~is_usable).sum()),
    )


def agreement_table(pairs: Pairs, *, n_resamples: int = 200) -> pl.DataFrame:
    """Rank correlation and AUC with their intervals, a row per population of pairs and two distances."""
    rng = np.random.default_rng(_SEED)
    found = measure_agreement(pairs.attention, pairs.gradient, pairs.tasks, rng=rng, n_resamples=n_resamples)
    frame = pl.DataFrame([asdict(agreement) for agreement in found])
    ends = [
        pl.col(f"{name}_interval").list.get(place).fill_nan(None).alias(f"{name}_{end}")
        for name in ("spearman", "auc")
        for place, end in enumerate(("low", "high"))
    ]
    return frame.with_columns(*ends, pl.col("spearman", "auc").fill_nan(None)).select(
        "pairs", "attention", "gradient", "n_rows", "n_pairs",
        *(f"{name}{end}" for name in ("spearman", "auc") for end in ("", "_low", "_high")),
    )  # fmt: skip


def _read(table: Table, column: str, rows: IntArray) -> NDArray:
    """Some rows of a column in the shape that was noted, shape (n_rows, ...)."""
    values = table.take(column, rows)
    return values.reshape(len(rows), *noted_shape(table, column, values.shape[1:]))


def _draw(sample_ids: NDArray, is_usable: NDArray[np.bool_]) -> IntArray:
    """Some usable rows, drawn by their names, so that the dataset's order does not matter."""
    named = id_order({"sample_ids": sample_ids})
    usable = named[is_usable[named]]
    if len(usable) < _FEWEST_ROWS:
        raise DatasetError(
            f"only {len(usable)} of {len(named)} rows have attention to an image and a gradient; "
            f"comparing the two takes {_FEWEST_ROWS} or more"
        )
    return usable[np.sort(np.random.default_rng(_SEED).permutation(len(usable))[:_MOST_ROWS])]
