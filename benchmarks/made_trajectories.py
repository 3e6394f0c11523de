"""Made-up attention trajectories: a level for each row, a rise or fall over training, and some noise."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from xmas_assets.core.trajectories import leading_sums

N_CHECKPOINTS, N_VALUES = 7, 5
STEPS = range(100, 100 * N_CHECKPOINTS + 1, 100)
BLOCK = 65_536  # rows


def made_values(seed: int, n_rows: int) -> np.ndarray:
    """Singular values, descending, shape (n_rows, n_checkpoints, n_values), float32."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, N_CHECKPOINTS, dtype=np.float32)[None, :, None]
    level, slope, bend = rng.standard_normal((3, n_rows, 1, 1), dtype=np.float32)
    spectrum = np.array([8, 4, 2, 1, 0.5], dtype=np.float32)
    noise = rng.standard_normal((n_rows, N_CHECKPOINTS, N_VALUES), dtype=np.float32)
    values = np.exp(level / 2 + slope * time / 3 + bend * np.sin(3 * time) / 6 + noise / 30) * spectrum
    return -np.sort(-values, axis=2)


def made_sums(seed: int, n_rows: int) -> np.ndarray:
    """Scalar trajectories, shape (n_rows, n_checkpoints), float32."""
    return leading_sums(made_values(seed, n_rows))


def made_tables(n_rows: int) -> tuple[Iterator[pa.RecordBatch], Iterator[pa.RecordBatch]]:
    """Batches of the samples table (ids only) and of the trajectories table; ids are in no order."""
    return (
        (pa.record_batch({"sample_id": made_ids(start, stop)}) for start, stop in _blocks(n_rows)),
        (_trajectories(start, stop) for start, stop in _blocks(n_rows)),
    )


def made_ids(start: int, stop: int) -> list[str]:
    """Ids of ten digits, scattered by a multiplication modulo 2^32."""
    return [f"{row * 2654435761 % 2**32:010d}" for row in range(start, stop)]


def _trajectories(start: int, stop: int) -> pa.RecordBatch:
    values = pa.array(made_values(start, stop - start).ravel())
    return pa.record_batch(
        {
            "sample_id": made_ids(start, stop),
            "values": pa.FixedSizeListArray.from_arrays(values, N_CHECKPOINTS * N_VALUES),
        }
    )


def _blocks(n_rows: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + BLOCK, n_rows)) for start in range(0, n_rows, BLOCK))
