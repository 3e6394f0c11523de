"""What must hold for stored signals and annotations; every function returns the problems it found, in words."""

import numpy as np
import polars as pl

from xmas_assets.contracts.remedies import how_to_make_again
from xmas_assets.core.arrays import FloatArray
from xmas_assets.store.reading import Table
from xmas_assets.store.signal_values import signal_columns


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


def check_spectra(values: FloatArray) -> list[str]:
    """Singular values are descending and not negative, and a row that has any attends to its image.

    Args:
        values: Shape (n_samples, n_checkpoints, n_values); NaN in rows without a trajectory.
    """
    problems = []
    if (values < 0).any() or (values[:, :, 1:] > values[:, :, :-1]).any():
        problems.append("singular values are negative or not descending")
    n_dark = int((values[:, :, 0] == 0).any(axis=1).sum())
    if n_dark:
        problems.append(f"{n_dark} rows with an image have no attention to it")
    return problems


def check_gradients(gradients: Table) -> list[str]:
    """No infinity, and not every row without a value (NaN: left out)."""
    n_missing = n_infinite = 0
    for batch in gradients.batches(["projected"], n_rows=1024):
        values = np.asarray(batch.column(0).flatten()).reshape(batch.num_rows, -1)
        n_missing += int(np.isnan(values).any(1).sum())
        n_infinite += int(np.isinf(values).any(1).sum())
    problems = [f"{n_infinite} rows hold infinity"] if n_infinite else []
    if n_missing == gradients.n_rows:
        problems.append(f"all {n_missing} rows are without a gradient; the asset's notices say why")
    return problems


def check_lengths(lengths: Table) -> list[str]:
    """No row without an answer token."""
    n_empty = int((lengths.column("n_answer_tokens") < 1).sum())
    return [f"{n_empty} rows have no answer token; {how_to_make_again('text_lengths')}"] if n_empty else []


def check_tags(tags: Table, samples: Table) -> list[str]:
    """One entry for every row of the dataset, in its order, and some row has a tag."""
    frame = tags.frame(["sample_id", "tags"])
    problems = []
    if frame["sample_id"].to_list() != samples.frame(["sample_id"])["sample_id"].to_list():
        problems.append(f"the rows are not those of the dataset; {how_to_make_again('tags')}")
    if not any(frame["tags"].to_list()):
        problems.append("no row has a tag; lower tags.min_count, or look at the source of the tags")
    return problems


def check_ratings(ratings: Table) -> list[str]:
    """Not all subsets rated alike."""
    is_varied = len(set(ratings.column("rating").tolist())) > 1
    return [] if is_varied else ["all subsets are rated alike, which teaches nothing; rate them apart"]
